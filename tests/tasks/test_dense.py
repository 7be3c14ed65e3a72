"""Masks and depth: decoded, drawn, stored, scored."""

from __future__ import annotations

import io
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cnnlib.augmentations.similarity import Similarity
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
        ({"file_scale": -1.0}, "file_scale must be at least 1e-09"),
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


def test_a_constant_needs_targets_of_one_shape() -> None:
    for task in (mask_task(), depth_task()):
        with pytest.raises(CnnlibError, match="no training sample has this target"):
            task.constant([])
        with pytest.raises(CnnlibError, match="targets of one shape"):
            task.constant([everywhere(torch.zeros(1, 1, 3)), everywhere(torch.zeros(1, 2, 3))])


def some_maps(values: st.SearchStrategy[float], pixels: int) -> st.SearchStrategy[list[Target]]:
    """One to six targets (1, 1, ``pixels``), not valid here and there."""
    row = st.lists(values | st.none(), min_size=pixels, max_size=pixels)

    def target(row: list[float | None]) -> Target:
        value = torch.tensor([[[math.nan if each is None else each for each in row]]])
        return Target(value, ~value.isnan())

    return st.lists(row.map(target), min_size=1, max_size=6)


@given(some_maps(st.sampled_from([0.0, 1.0]), pixels=5))
def test_no_other_mask_has_a_higher_iou_on_the_training_targets(targets: list[Target]) -> None:
    """Those at other thresholds of the mean mask, and all the rest. Where there is no foreground, it finds none."""
    truth, valid = (np.stack([each.flatten() for each in part]) for part in zip(*targets, strict=True))

    def iou(mask: np.ndarray) -> float:
        both, either = mask & (truth == 1), (mask | (truth == 1)) & valid
        return both.sum() / either.sum() if either.any() else 1.0

    constant = mask_task().constant(targets)
    assert constant.shape == (1, 1, 5)
    assert set(constant.flatten().tolist()) <= {0, 1}
    mask = constant.flatten().numpy() >= 0.5
    others = [np.array(other) for other in itertools.product([False, True], repeat=5)]
    assert iou(mask) == pytest.approx(max(map(iou, others)), abs=1e-12)
    seen = valid.any(0)
    shares = (truth == 1).sum(0)[seen] / valid.sum(0)[seen]
    assert mask[seen][shares >= min(shares[mask[seen]], default=math.inf)].all()


def test_the_constant_mask_is_found_where_half_of_the_masks_is_nowhere() -> None:
    """An object that is in this pixel in a third of the images, in that one in two fifths, elsewhere now and then."""
    shares = torch.tensor([5, 6, 1, 0, 0]) / 15
    targets = [everywhere((shares > (index + 0.5) / 15).float().view(1, 1, 5)) for index in range(15)]
    constant = mask_task().constant(targets)
    assert constant.tolist() == [[[1, 1, 0, 0, 0]]]
    metric = mask_task().metric()
    for target in targets:
        metric.update(constant[None], target.value[None], target.valid[None], (1, 5))
    assert metric.compute()["iou"] == pytest.approx(11 / (30 + 1))


def test_a_mask_that_is_valid_nowhere_is_constant_as_the_mean_of_the_others() -> None:
    """The mean of all is 3 / 4, which is above the threshold of 1 / 2, or 1 / 3, which is below that of 2 / 3."""
    valid = torch.tensor([[[True, True, False]]])
    often, seldom = ([1.0, 1.0], [1.0, 0.0]), ([1.0, 0.0], [1.0, 0.0], [0.0, 0.0])
    for rows, expected in ((often, [1, 1, 1]), (seldom, [1, 0, 0])):
        targets = [Target(torch.tensor([[[*row, math.nan]]]), valid) for row in rows]
        assert mask_task().constant(targets).tolist() == [[expected]]


@given(some_maps(st.floats(0.125, 10, width=32), pixels=4))
def test_no_other_constant_depth_has_a_smaller_error_on_the_training_targets(targets: list[Target]) -> None:
    known = np.stack([each.value.double().flatten().numpy() for each in targets])

    def errors(depths: np.ndarray) -> np.ndarray:
        return np.nansum(np.abs(known - depths), axis=0)  # of each pixel

    constant = depth_task().constant(targets).double().flatten().numpy()
    assert np.isfinite(constant).all()
    for other in (*known, np.nan_to_num(known).mean(0), np.full(4, 3.0)):
        worse = np.where(np.isnan(other), np.inf, errors(other))
        assert (errors(constant) <= worse + 1e-5).all()


def test_the_constant_depth_is_the_median_and_fills_pixels_that_are_never_valid() -> None:
    rows = [[1.0, 2, math.nan], [9.0, math.nan, math.nan], [2.0, math.nan, math.nan]]
    targets = [Target(value, ~value.isnan()) for value in torch.tensor(rows)[:, None, None]]
    assert depth_task().constant(targets).tolist() == [[[2.0, 2.0, 2.0]]]
    rubbish = Target(torch.tensor([[[77.0, 77, 77]]]), torch.zeros(1, 1, 3, dtype=torch.bool))
    assert depth_task().constant([*targets, rubbish]).tolist() == [[[2.0, 2.0, 2.0]]]


def test_inverse_depths_grow_as_the_scene_comes_nearer() -> None:
    """A zoom by 1.25 brings 4 m to 3.2 m, so 1 / 4 becomes 1 / 3.2; and what is near is bright either way."""
    inverse = DepthTask(TargetInfo("depth", inverse=True), min_depth=0.01, max_depth=1.0)
    depths = torch.full((1, *SIZE), 4.0)
    view = Similarity(zoom=1.25).view(SIZE)
    moved = depth_task().move(everywhere(depths), view).value
    assert torch.allclose(moved, torch.tensor(3.2))
    assert torch.allclose(inverse.move(everywhere(1 / depths), view).value, 1 / moved)
    for task, near_and_far in ((depth_task(), [1.0, 9.0]), (inverse, [0.9, 0.1])):
        near, far = task.draw(torch.tensor([[near_and_far]]), IMAGE).float().sum(0)[0]
        assert near > far
