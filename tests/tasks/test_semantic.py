"""Semantic maps: indices, ignored pixels, colours, files."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from torchmetrics.functional.classification import multiclass_jaccard_index

from cnnlib.augmentations.similarity import Similarity
from cnnlib.tasks import SemanticTask
from cnnlib.tasks.drawing import palette
from cnnlib.types import CnnlibError, Target, TargetInfo

SIZE = (4, 6)


def task(classes: int = 3) -> SemanticTask:
    return SemanticTask(TargetInfo("semantic", names=tuple(f"class {index}" for index in range(classes))))


def test_pixels_that_are_ignored_may_hold_any_index() -> None:
    """Torch's own ``ignore_index`` gives the same."""
    raw = torch.randn(2, 3, *SIZE, generator=torch.Generator().manual_seed(0))
    value = torch.randint(3, (2, 1, *SIZE))
    valid = torch.rand(2, 1, *SIZE) < 0.5
    pred, target, mask = task().loss_inputs(
        "classes", raw, Target(value.masked_fill(~valid, 255), valid), SIZE
    )
    kept = F.cross_entropy(pred.movedim(1, -1)[mask], target[mask])
    torch.testing.assert_close(kept, F.cross_entropy(raw, target, ignore_index=255))
    _, one_hot, _ = task().loss_inputs("probabilities", raw, Target(value, valid), SIZE)
    assert torch.equal(one_hot, F.one_hot(value.squeeze(1), 3).movedim(-1, 1).float())


@pytest.mark.parametrize("worst", [3, 255, -1])
def test_indices_out_of_range_are_refused(worst: int) -> None:
    task().check_values(torch.tensor([0, 2, 1]))
    with pytest.raises(
        CnnlibError, match=rf"from 0 to 2, for there are 3 classes; .* between {min(worst, 0)} and"
    ):
        task().check_values(torch.tensor([0, 1, worst]))


@pytest.mark.parametrize("names", [(), ("one",), ("a", "a")])
def test_classes_need_names(names: tuple[str, ...]) -> None:
    with pytest.raises(CnnlibError, match="needs the names of its classes, at least 2 and all different"):
        SemanticTask(TargetInfo("semantic", names=names))


@pytest.mark.parametrize(("classes", "dtype"), [(2, np.uint8), (256, np.uint8), (300, np.uint16)])
def test_the_last_class_survives_a_file(classes: int, dtype: type) -> None:
    truth = torch.tensor([[[0, classes - 1, classes // 2]]])
    stored = task(classes).store(task(classes).as_prediction(truth))
    assert stored.dtype == dtype
    file = io.BytesIO()
    Image.fromarray(stored).save(file, "png")
    loaded = task(classes).load(np.asarray(Image.open(file)))
    assert torch.equal(loaded.argmax(0, keepdim=True), truth)


@pytest.mark.parametrize("classes", [2, 22, 1000])
def test_every_class_has_a_colour_of_its_own(classes: int) -> None:
    colors = palette(classes)
    assert len(colors) == len(set(colors)) == classes
    assert (128, 128, 128) not in colors
    assert colors == palette(2000)[:classes]
    assert np.array(colors).min() >= 0
    assert np.array(colors).max() <= 255


def test_the_legend_names_the_colours_that_are_drawn() -> None:
    picture = task().draw(task().as_prediction(torch.tensor([[[0, 1, 2]]])), torch.zeros(3, 1, 3))
    assert task().legend == "black: class 0; red: class 1; green: class 2"
    black, red, green = picture[:, 0].T.tolist()
    assert max(black) == 0
    assert (np.argmax(red), np.argmax(green)) == (0, 1)
    assert task(30).legend.endswith("one more colour for each of the others")


def test_errors_are_red_and_unknown_pixels_grey() -> None:
    target = Target(torch.tensor([[[0, 1, 255]]]), torch.tensor([[[True, True, False]]]))
    right, wrong, unknown = (
        task()
        .draw_error(task().as_prediction(torch.tensor([[[0, 0, 0]]])), target, torch.zeros(3, 1, 3))[:, 0]
        .T.tolist()
    )
    assert (np.argmax(right), np.argmax(wrong)) == (1, 0)
    assert unknown == [128] * 3


def test_classes_move_without_new_ones_between_them() -> None:
    value = torch.tensor([0, 2]).repeat_interleave(8).expand(1, 16, 16)
    moved = task().move(Target(value, value > -1), Similarity(angle=20, zoom=1.2).view((16, 16)))
    assert set(moved.value[moved.valid].tolist()) == {0, 2}
    assert not moved.valid.all()


def test_probabilities_stay_probabilities_when_resized() -> None:
    prediction = task().decode(torch.randn(1, 3, 8, 8), (8, 8))[0]
    for size in ((16, 24), (3, 5)):
        resized = task().resize(prediction, (8, 8), size)
        assert resized.shape == (3, *size)
        torch.testing.assert_close(resized.sum(0), torch.ones(size))


def test_the_constant_is_the_frequency_of_each_class() -> None:
    """Where one of them is everywhere the most frequent, and nothing can be gained."""
    everywhere = torch.ones(1, 1, 2, dtype=torch.bool)
    targets = [
        Target(torch.tensor([[[index, 255]]]), everywhere & (torch.arange(2) == 0)) for index in (0, 0, 1, 2)
    ]
    constant = task().constant(targets)
    assert constant[:, 0, 0].tolist() == [0.5, 0.25, 0.25]
    assert constant[:, 0, 1].tolist() == [0.5, 0.25, 0.25]  # never valid: as the others


def random_classes(seed: int, rarest: float) -> tuple[np.ndarray, np.ndarray]:
    """Ten maps of 4 x 6 pixels and their valid masks; each pixel has its own frequencies of three classes."""
    random = np.random.default_rng(seed)
    frequencies = random.dirichlet([1.0, 0.5, rarest], SIZE)
    value = (random.random((10, *SIZE, 1)) > frequencies.cumsum(-1)[..., :2]).sum(-1)
    return value, random.random((10, *SIZE)) < 0.8


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), rarest=st.floats(0.05, 1))
@example(seed=39, rarest=0.1)  # no power up to 0.5 is as good as a higher one
def test_no_other_power_of_the_frequencies_gives_a_higher_iou(seed: int, rarest: float) -> None:
    """By torchmetrics' Jaccard index over all valid pixels, so neither does the most frequent class, power 0."""
    value, valid = random_classes(seed, rarest)
    targets = [
        Target(torch.from_numpy(one)[None], torch.from_numpy(seen)[None])
        for one, seen in zip(value, valid, strict=True)
    ]

    def miou(found: np.ndarray) -> float:
        pairs = (torch.from_numpy(each[valid]) for each in (np.broadcast_to(found, value.shape), value))
        return float(multiclass_jaccard_index(*pairs, num_classes=3))

    counts = np.stack([((value == index) & valid).sum(0) for index in range(3)])
    shares = counts / valid.sum(0).clip(min=1)
    shares[:, ~valid.any(0)] = (counts.sum((1, 2)) / valid.sum())[:, None]
    pixels = counts.sum((1, 2)).clip(min=1)[:, None, None]
    best = max(miou((shares / pixels**power).argmax(0)) for power in np.linspace(0, 1, 21))
    constant = task().constant(targets)
    torch.testing.assert_close(constant.sum(0), torch.ones(SIZE))
    assert miou(constant.argmax(0).numpy()) >= best - 1e-6


def test_the_constant_finds_a_rare_class_where_it_is_less_rare() -> None:
    """A class that is nowhere the most frequent one: in pixel 0 it is in two of five images, else in none."""
    rows = [[1, 0, 0, 0]] * 2 + [[0, 0, 0, 0]] * 3
    targets = [Target(torch.tensor([[row]]), torch.ones(1, 1, 4, dtype=torch.bool)) for row in rows]
    assert task(2).constant(targets).argmax(0).tolist() == [[1, 0, 0, 0]]
