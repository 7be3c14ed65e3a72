"""Which test images are shown, and what each card holds."""

from __future__ import annotations

import base64
import io
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cnnlib.reporting.gallery import choose_images, draw_samples, mean_scores
from cnnlib.reporting.html import render
from cnnlib.reporting.results import read_suite
from tests.reporting.fake_suite import write_suite


def test_best_typical_and_worst() -> None:
    scores = {f"{value:02}": float(value) for value in range(21)}
    assert choose_images(scores, higher_is_better=True) == [
        *(("20", "best"), ("19", "best"), ("18", "best")),
        *(("11", "typical"), ("10", "typical"), ("09", "typical")),
        *(("00", "worst"), ("01", "worst"), ("02", "worst")),
    ]
    assert choose_images(scores, higher_is_better=False)[0] == ("00", "best")


@given(
    st.dictionaries(st.text(min_size=1, max_size=3), st.floats(allow_infinity=False), max_size=14),
    st.booleans(),
)
def test_every_choice_is_one_image_in_order_of_merit(scores: dict[str, float], higher: bool) -> None:
    chosen = choose_images(scores, higher)
    names = [name for name, _ in chosen]
    known = sum(not math.isnan(score) for score in scores.values())
    assert len(names) == len(set(names)) == min(known, 9)
    sign = 1 if higher else -1
    by_group = {group: [sign * scores[name] for name, own in chosen if own == group] for _, group in chosen}
    for better, poorer in zip(list(by_group)[:-1], list(by_group)[1:], strict=True):
        assert min(by_group[better]) >= max(by_group[poorer])


def test_among_images_of_one_score_the_finer_metric_decides() -> None:
    scores = dict.fromkeys("abcdef", 1.0) | dict.fromkeys("ghijkl", 0.0)
    finer = {name: float(ord(name) * 7 % 12) for name in scores}
    chosen = choose_images(scores, True, finer)
    assert [name for name, _ in chosen][:3] == sorted("abcdef", key=finer.get)[:3]
    assert [name for name, _ in chosen][-3:] == sorted("ghijkl", key=finer.get)[:-4:-1]


def decode(uri: str) -> np.ndarray:
    return np.array(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


@pytest.mark.parametrize("persister", ["folder", "zip"])
def test_cards_show_what_was_saved(tmp_path: Path, persister: str) -> None:
    folder = write_suite(
        tmp_path / "s", experiments={"a": 0.0, "b": 0.3}, seeds=(0,), images=2, size=24, persister=persister
    )
    suite = read_suite(folder)
    runs = {run.experiment: (index, [run]) for index, run in enumerate(suite.runs)}
    (sample,) = draw_samples(runs, [("scene-001", "best")], "mask/iou", {"scene-001": 0.9})
    assert [card.title for card in sample.cards] == ["input", "truth", "a", "b"]
    assert [[tile.caption for tile in row] for row in sample.cards[2].rows] == [["prediction", "error"]] * 2
    first = suite.runs[0]
    assert sample.cards[2].notes[0] == f"mask/iou {first.per_image['mask/iou']['scene-001']:.4f}"
    truth = decode(sample.cards[1].rows[0][0].uri)[..., 0]
    np.testing.assert_array_equal(truth, first.predictions.read("truth", "mask", "scene-001"))


def test_scores_are_means_over_runs(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path / "s", images=3, size=8))
    scores = mean_scores(suite.runs, "depth/mae")
    own = [run.per_image["depth/mae"]["scene-002"] for run in suite.runs]
    assert len(own) == 9
    assert scores["scene-002"] == pytest.approx(np.mean(own))


def test_each_image_is_shown_from_a_run_that_has_saved_it(tmp_path: Path) -> None:
    """In a cross-validation each seed has test images of its own. The distance of points is told beside the share."""
    folder = write_suite(
        tmp_path / "s", tasks=("points",), experiments={"a": 0.0}, seeds=(0, 1), images=4, persister="folder"
    )
    for seed, own in ((0, (0, 1)), (1, (2, 3))):
        table = folder / f"a/seed-{seed}/predictions/points.csv"
        lines = table.read_text().splitlines()
        table.write_text("\n".join([lines[0], *(lines[1 + index] for index in own)]) + "\n")
    text = render(read_suite(folder))
    for index in range(4):
        assert f"<h3>scene-{index:03} " in text
    error = read_suite(folder).runs[1].per_image["points/error"]["scene-003"]
    assert f", error {error:.4f}</p>" in text
