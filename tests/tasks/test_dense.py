"""Masks and depth: decoded, drawn, stored, scored."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cnnlib.tasks import DepthTask, MaskTask
from cnnlib.types import CnnlibError, Target, TargetInfo

LOGITS = torch.linspace(-12, 12, 60).reshape(1, 1, 6, 10)
SIZE = (6, 10)
IMAGE = torch.zeros(3, *SIZE)


def mask_task() -> MaskTask:
    return MaskTask(TargetInfo("mask"))


def depth_task(**options: float) -> DepthTask:
    return DepthTask(TargetInfo("depth", unit="m"), **options)


def everywhere(value: torch.Tensor) -> Target:
    return Target(value, torch.ones_like(value, dtype=torch.bool))


def through_png(array: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "png")
    return np.asarray(Image.open(file))


def test_a_mask_is_a_probability() -> None:
    expected = 1 / (1 + np.exp(-LOGITS.double().numpy()))
    assert np.allclose(mask_task().decode(LOGITS, SIZE).numpy(), expected, atol=1e-6)


def test_a_mask_offers_raw_outputs_as_logits() -> None:
    target = everywhere(torch.zeros(1, 1, 6, 10))
    assert torch.equal(mask_task().loss_inputs("logits", LOGITS, target, SIZE).pred, LOGITS)
    probabilities = mask_task().loss_inputs("probabilities", LOGITS, target, SIZE).pred
    assert torch.equal(probabilities, mask_task().decode(LOGITS, SIZE))


def test_depth_stays_in_its_range_and_rises_with_the_logit() -> None:
    depth = depth_task(min_depth=0.5, max_depth=8.0).decode(LOGITS, SIZE).flatten()
    expected = 0.5 + 7.5 / (1 + np.exp(-LOGITS.double().numpy().ravel()))
    assert np.allclose(depth.numpy(), expected, atol=1e-5)
    assert depth.diff().min() > 0


@given(st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4))
def test_a_stored_mask_reads_back_as_its_decision(values: list[float]) -> None:
    task, prediction = mask_task(), torch.tensor(values).reshape(1, 2, 2)
    stored = through_png(task.store(prediction))
    assert stored.dtype == np.uint8
    assert set(np.unique(stored)) <= {0, 255}
    assert torch.equal(task.load(stored) >= 0.5, prediction >= 0.5)


@given(st.lists(st.floats(0, 65.5, width=32), min_size=4, max_size=4))
def test_stored_depth_reads_back_to_half_a_millimetre(values: list[float]) -> None:
    task, prediction = depth_task(), torch.tensor(values).reshape(1, 2, 2)
    stored = through_png(task.store(prediction))
    assert stored.dtype == np.uint16
    assert (task.load(stored) - prediction).abs().max() <= 0.000_51


def test_depth_beyond_the_file_is_clipped_and_not_wrapped() -> None:
    assert depth_task().store(torch.tensor([[[-1.0, 70.0]]])).tolist() == [[0, 65535]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_depth": 0.0}, "min_depth must be above 0; it is 0.0"),
        ({"min_depth": 5.0, "max_depth": 5.0}, "depth needs min_depth < max_depth"),
        ({"max_depth": math.nan}, "max_depth must be a finite number; it is nan"),
        ({"max_depth": 100.0}, "use a file_scale of at most 655.35"),
        ({"file_scale": -1.0}, "file_scale must be above 0"),
    ],
)
def test_impossible_ranges_are_refused(options: dict[str, float], message: str) -> None:
    with pytest.raises(CnnlibError, match=message):
        depth_task(**options)


def test_errors_of_a_mask_have_four_colours() -> None:
    """As the legend says: true positive, false positive, false negative, true negative."""
    target = everywhere(torch.tensor([[[1.0, 0.0, 1.0, 0.0]]]))
    picture = (
        mask_task().draw_error(torch.tensor([[[0.9, 0.9, 0.1, 0.1]]]), target, IMAGE).permute(1, 2, 0)[0]
    )
    assert picture.tolist() == [[255, 255, 255], [255, 0, 0], [0, 0, 255], [0, 0, 0]]


def test_depth_is_drawn_with_near_brighter_than_far() -> None:
    picture = depth_task(max_depth=10.0).draw(torch.tensor([[[0.5, 3.0, 6.0, 9.9]]]), IMAGE)
    assert picture.float().mean(0)[0].diff().max() < 0


def test_an_error_is_darker_the_smaller_it_is() -> None:
    truth = torch.full((1, 1, 4), 5.0)
    prediction = truth + torch.tensor([[[0.0, 0.2, -0.5, 0.9]]])
    picture = depth_task(max_depth=10.0).draw_error(prediction, everywhere(truth), IMAGE)
    assert picture.float().mean(0)[0].diff().min() > 0


@pytest.mark.parametrize("task", [mask_task(), depth_task()], ids=lambda task: task.kind)
def test_what_is_not_valid_is_grey(task: MaskTask | DepthTask) -> None:
    value = torch.rand(1, 3, 4)
    valid = torch.rand(1, 3, 4) < 0.5
    for picture in (
        task.draw(value, IMAGE, valid),
        task.draw_error(value, Target(value.flip(1), valid), IMAGE),
    ):
        assert (picture[:, ~valid[0]] == 128).all()


def test_the_score_of_depth_falls_with_its_error() -> None:
    depth = depth_task(min_depth=1.0, max_depth=5.0)
    assert [depth.score({"mae": error}) for error in (0.0, 1.0, 4.0)] == [1.0, 0.75, 0.0]


def test_depth_targets_that_cannot_be_predicted_are_refused() -> None:
    task = depth_task(min_depth=0.5, max_depth=2.0)
    within = torch.linspace(0.5, 2.0, 96)
    task.check_values(torch.cat([within, torch.tensor([0.1, 2.5, 3.0, 9.0])]))
    with pytest.raises(
        CnnlibError, match=r"6% of the depth targets cannot be predicted: they reach from 0\.5316 to 9"
    ):
        task.check_values(torch.cat([within[2:], torch.full((6,), 9.0)]))


@pytest.mark.parametrize("level", [0.5, 255.0, -1.0])
def test_masks_that_are_not_0_or_1_are_refused(level: float) -> None:
    mask_task().check_values(torch.tensor([0.0, 1.0]))
    with pytest.raises(
        CnnlibError, match=r"a mask is 0 .background. or 1 .foreground.; some targets lie between"
    ):
        mask_task().check_values(torch.tensor([0.0, 1.0, level]))


@pytest.mark.parametrize("task", [mask_task(), depth_task()], ids=lambda task: task.kind)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_targets_that_are_no_numbers_are_refused(task: MaskTask | DepthTask, value: float) -> None:
    with pytest.raises(CnnlibError, match="NaN or infinite"):
        task.check_values(torch.tensor([1.0, value]))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (
            Target(torch.zeros(1, 6, 10), torch.zeros(1, 6, 10)),
            r"valid mask must be torch.bool \(1, 6, 10\); it is",
        ),
        (
            Target(torch.zeros(6, 10)),
            r"value must be torch.float32 \(1, 6, 10\); it is torch.float32 \(6, 10\)",
        ),
        (Target(torch.zeros(1, 6, 10).long()), "it is torch.int64"),
        (Target(np.zeros((1, 6, 10))), "it is ndarray"),
    ],
)
def test_targets_of_another_form_are_refused(target: Target, message: str) -> None:
    with pytest.raises(CnnlibError, match=message):
        depth_task().check(target, SIZE)


def test_the_constant_of_a_map_fills_pixels_that_are_never_valid_with_the_mean_of_the_others() -> None:
    one = Target(torch.tensor([[[1.0, 2, math.nan]]]), torch.tensor([[[True, True, False]]]))
    two = Target(torch.tensor([[[3.0, math.nan, 9]]]), torch.tensor([[[True, False, False]]]))
    assert depth_task().constant([one, two]).tolist() == [[[2.0, 2.0, 2.0]]]
    with pytest.raises(CnnlibError, match="no training sample has this target"):
        depth_task().constant([])
    with pytest.raises(CnnlibError, match="targets of one shape"):
        depth_task().constant([one, everywhere(torch.zeros(1, 2, 3))])
