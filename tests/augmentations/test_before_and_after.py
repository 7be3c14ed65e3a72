"""The picture of what augmentations do: what is drawn is what the pipeline makes of the sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cnnlib.augmentations import Flip, Noise, Rotate
from cnnlib.augmentations.before_and_after import Shown, before_and_after
from cnnlib.tasks import MaskTask, PointsTask
from cnnlib.tasks.page import Page
from cnnlib.types import Sample, Target, TargetInfo

TASKS = {
    "mask": MaskTask(TargetInfo("mask")),
    "points": PointsTask(TargetInfo("points", names=("left", "right"), flip_order=(1, 0))),
}


def make_sample(height: int = 64, width: int = 48) -> Sample:
    generator = torch.Generator().manual_seed(0)
    return {
        "image": torch.rand(6, height, width, generator=generator),
        "mask": Target((torch.rand(1, height, width, generator=generator) > 0.5).float()),
        "points": Target(torch.tensor([[0.1 * width, 0.05 * height], [0.6 * width, 0.4 * height]])),
        "name": "s",
    }


class Seen:
    """The texts of a page, and its pictures by caption."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.texts: list[str] = []
        self.rows: list[list[str]] = []
        self.pictures: dict[str, Image.Image] = {}
        monkeypatch.setattr(Page, "text", lambda page, text, *_: self.texts.append(text))
        monkeypatch.setattr(Page, "row", lambda page, row: self._add(row))

    def _add(self, row: list[tuple[str, Image.Image]]) -> None:
        self.rows.append([caption for caption, _ in row])
        self.pictures |= dict(row)

    def array(self, caption: str) -> np.ndarray:
        return np.array(self.pictures[caption])


def draw(*shown: Shown, sample: Sample | None = None, draws: int = 3) -> Image.Image:
    torch.manual_seed(0)
    sample = make_sample() if sample is None else sample
    return before_and_after("title", sample, {"bg": 3, "image": 3}, TASKS, shown, draws)


def test_image_and_targets_are_shown_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, sample = Seen(monkeypatch), make_sample()
    draw(Shown("flip", "horizontal: 1", [Flip(1, 0)]))
    columns = ("before", "draw 1", "draw 2", "draw 3")
    assert seen.rows == [[f"{name}: {column}" for column in columns] for name in ("image", "mask", "points")]
    assert {picture.size for picture in seen.pictures.values()} == {(4 * 48, 4 * 64)}
    mask = sample["mask"].value[0].numpy().repeat(4, 0).repeat(4, 1) * 255
    for column, expected in (("before", mask), ("draw 1", mask[:, ::-1])):
        np.testing.assert_array_equal(seen.array(f"mask: {column}"), np.stack([expected] * 3, -1))
    smooth = Image.fromarray((sample["image"][3:].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8))
    expected = np.array(smooth.resize((4 * 48, 4 * 64), Image.Resampling.BICUBIC))
    np.testing.assert_array_equal(seen.array("image: before"), expected)
    # The point on the left of the face, red, is on its right in the mirror: its mark is where the other's was.
    at = (round(4 * (0.4 * 64 + 0.5)), round(4 * (0.6 * 48 + 0.5)))
    mirrored = (at[0], 4 * 48 - at[1])
    assert (seen.array("points: before")[at] == seen.array("points: draw 1")[mirrored]).sum() < 3
    other = (round(4 * (0.05 * 64 + 0.5)), round(4 * (0.1 * 48 + 0.5)))
    assert (seen.array("points: before")[other] == seen.array("points: draw 1")[mirrored]).all()


def test_tasks_run_across_where_they_are_more_than_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(monkeypatch)
    draw(Shown("flip", "", [Flip(1, 0)]), draws=1)
    assert seen.rows == [
        [f"{column}: {name}" for name in ("image", "mask", "points")] for column in ("before", "draw 1")
    ]


def test_what_stays_as_it_is_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(monkeypatch)
    draw(Shown("noise", "", [Noise(0.5, p=1)]))
    assert "mask: as before" in seen.texts
    assert [row[0] for row in seen.rows] == ["image: before", "points: before"]


def test_draws_that_do_nothing_are_passed_over_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(monkeypatch)
    draw(Shown("rotate", "", [Rotate(30, p=0.1)]))
    (note,) = (text for text in seen.texts if "acted" in text)
    assert note.startswith("it acted in 3 of ")
    assert int(note.split()[5]) > 3
    before = seen.array("image: before")
    assert all((seen.array(f"image: draw {number}") != before).any() for number in (1, 2, 3))


def test_what_never_acts_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(monkeypatch)
    draw(Shown("noise", "", [Noise(p=0)]))
    assert "it acted in 0 of 1000 draws" in seen.texts
    assert not seen.rows


def test_all_together_are_shown_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen(monkeypatch)
    draw(Shown("all", "", [Rotate(30, p=0.3)], must_act=False), draws=8)
    before = seen.array("image: before")
    still = [(seen.array(f"image: draw {number}") == before).all() for number in range(1, 9)]
    assert 0 < sum(still) < 8
    assert not any("acted" in text for text in seen.texts)


def test_targets_that_the_sample_lacks_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, sample = Seen(monkeypatch), make_sample()
    del sample["mask"]
    draw(Shown("flip", "", [Flip(1, 0)]), sample=sample)
    assert [row[0] for row in seen.rows] == ["image: before", "points: before"]
    assert seen.texts[-1].startswith("points: red: left")


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 300), (700, 40), (90, 120)])
def test_any_size_gives_a_page_that_can_be_read(height: int, width: int) -> None:
    options: dict[str, Any] = {"sample": make_sample(height, width)}
    page = draw(Shown("rotate", "degrees: 10", [Rotate(10)]), Shown("flip", "", [Flip(1, 0)]), **options)
    assert 600 < page.width < 4 * 512 + 200
    assert page.height < 6 * (512 + 40) + 400
