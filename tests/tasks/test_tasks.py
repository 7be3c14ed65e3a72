"""What an output means: decoded, drawn, stored, scored."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cnnlib.tasks import TASKS, DepthTask, MaskTask, Task
from cnnlib.types import CnnlibError

LOGITS = torch.linspace(-12, 12, 60).reshape(1, 1, 6, 10)


def through_png(array: np.ndarray) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "png")
    return np.asarray(Image.open(file))


def test_a_mask_is_a_probability() -> None:
    expected = 1 / (1 + np.exp(-LOGITS.double().numpy()))
    assert np.allclose(MaskTask().decode(LOGITS).numpy(), expected, atol=1e-6)


def test_depth_stays_in_its_range_and_rises_with_the_logit() -> None:
    task = DepthTask(min_depth=0.5, max_depth=8)
    depth = task.decode(LOGITS).flatten()
    expected = 0.5 + 7.5 / (1 + np.exp(-LOGITS.double().numpy().ravel()))
    assert np.allclose(depth.numpy(), expected, atol=1e-5)
    assert depth.diff().min() > 0


@pytest.mark.parametrize("task", [MaskTask(), DepthTask()], ids=lambda task: task.kind)
def test_half_precision_is_decoded_in_float32(task) -> None:
    decoded = task.decode(LOGITS.bfloat16())
    assert decoded.dtype == torch.float32
    assert torch.equal(decoded, task.decode(LOGITS.bfloat16().float()))


@given(st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4))
def test_a_stored_mask_reads_back_as_its_decision(values: list[float]) -> None:
    task, prediction = MaskTask(), torch.tensor(values).reshape(1, 2, 2)
    stored = through_png(task.to_file(prediction))
    assert stored.dtype == np.uint8
    assert set(np.unique(stored)) <= {0, 255}
    assert torch.equal(task.from_file(stored) >= 0.5, prediction >= 0.5)


@given(st.lists(st.floats(0, 65.5, width=32), min_size=4, max_size=4))
def test_stored_depth_reads_back_to_half_a_millimetre(values: list[float]) -> None:
    task, prediction = DepthTask(), torch.tensor(values).reshape(1, 2, 2)
    stored = through_png(task.to_file(prediction))
    assert stored.dtype == np.uint16
    assert (task.from_file(stored) - prediction).abs().max() <= 0.000_51


def test_depth_beyond_the_file_is_clipped_and_not_wrapped() -> None:
    task = DepthTask()
    assert task.to_file(torch.tensor([[[-1.0, 70.0]]])).tolist() == [[0, 65535]]


@pytest.mark.parametrize(
    "options",
    [
        {"min_depth": 0.0},
        {"min_depth": 5.0, "max_depth": 5.0},
        {"max_depth": float("nan")},
        {"max_depth": 100.0},
        {"file_scale": -1.0},
    ],
)
def test_impossible_ranges_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(CnnlibError, match="depth"):
        DepthTask(**options)


def test_errors_of_a_mask_have_four_colours() -> None:
    prediction = torch.tensor([[[0.9, 0.9, 0.1, 0.1]]])
    target = torch.tensor([[[1.0, 0.0, 1.0, 0.0]]])
    picture = MaskTask().draw_error(prediction, target).permute(1, 2, 0)[0]
    assert picture.tolist() == [[255, 255, 255], [255, 0, 0], [0, 0, 255], [0, 0, 0]]


def test_depth_is_drawn_with_near_brighter_than_far() -> None:
    task = DepthTask(max_depth=10)
    brightness = task.draw(torch.tensor([[[0.5, 3.0, 6.0, 9.9]]])).float().mean(0)[0]
    assert brightness.diff().max() < 0


def test_an_error_is_darker_the_smaller_it_is() -> None:
    task, target = DepthTask(max_depth=10), torch.full((1, 1, 4), 5.0)
    picture = task.draw_error(target + torch.tensor([[[0.0, 0.2, -0.5, 0.9]]]), target).float().mean(0)[0]
    assert picture.diff().min() > 0


@pytest.mark.parametrize("task", [MaskTask(), DepthTask()], ids=lambda task: task.kind)
def test_what_is_not_valid_is_grey(task) -> None:
    value = torch.rand(1, 3, 4)
    valid = torch.rand(1, 3, 4) < 0.5
    for picture in (task.draw(value, valid), task.draw_error(value, value.flip(1), valid)):
        assert picture.shape == (3, 3, 4)
        assert picture.dtype == torch.uint8
        assert (picture[:, ~valid[0]] == 128).all()


@pytest.mark.parametrize("task", [MaskTask(), DepthTask()], ids=lambda task: task.kind)
def test_nan_can_be_drawn(task) -> None:
    assert task.draw(torch.full((1, 2, 2), float("nan"))).shape == (3, 2, 2)


def test_scores_follow_what_runs_are_ranked_by() -> None:
    assert MaskTask().score({"iou": 0.7}) == 0.7
    depth = DepthTask(min_depth=1.0, max_depth=5.0)
    assert depth.score({"mae": 0.0}) == 1.0
    assert depth.score({"mae": 1.0}) == 0.75
    assert depth.score({"mae": 3.9}) > depth.score({"mae": 4.0})


@pytest.mark.parametrize("task", [MaskTask(), DepthTask()])
def test_a_metric_that_is_undefined_leaves_the_score_undefined(task: Task) -> None:
    assert math.isnan(task.score({task.main_metric: math.nan}))


def test_depth_targets_that_cannot_be_predicted_are_refused() -> None:
    task = DepthTask(min_depth=0.5, max_depth=2.0)
    within = torch.linspace(0.5, 2.0, 96)
    task.check_targets(torch.cat([within, torch.tensor([0.1, 2.5, 3.0, 9.0])]))
    task.check_targets(torch.zeros(0))
    with pytest.raises(
        CnnlibError, match=r"6% of the depth targets cannot be predicted: they reach from 0\.5316 to 9"
    ):
        task.check_targets(torch.cat([within[2:], torch.full((6,), 9.0)]))


@pytest.mark.parametrize("task", [MaskTask(), DepthTask()])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_targets_that_are_no_numbers_are_refused(task: Task, value: float) -> None:
    with pytest.raises(CnnlibError, match="NaN or infinite"):
        task.check_targets(torch.tensor([1.0, value]))


def test_the_table_is_keyed_by_kind() -> None:
    assert all(task.kind == name for name, task in TASKS.items())
