"""The papers' evaluation protocols against the rows and columns that their scripts name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from cnnlib.losses import l1_loss
from cnnlib.metrics.depth_protocol import DepthProtocol, inside_crop
from cnnlib.tasks import DepthTask
from cnnlib.types import CnnlibError, Target, TargetInfo

KITTI = (370, 1224)  # a size at which 0.99189189 of the height is just below an integer


@pytest.mark.parametrize(
    ("crop", "size", "box"),
    [
        ("eigen_nyu", (480, 640), (45, 471, 41, 601)),
        ("eigen_nyu", (240, 320), (22, 235, 20, 300)),
        ("eigen_nyu", (288, 384), (27, 282, 24, 360)),
        ("eigen_kitti", KITTI, (122, 337, 43, 1180)),
        ("garg", KITTI, (151, 366, 43, 1180)),
        ("garg", (375, 1242), (153, 371, 44, 1197)),
    ],
)
def test_crops_are_those_of_the_evaluation_scripts(
    crop: str, size: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    expected = np.zeros(size, bool)
    expected[box[0] : box[1], box[2] : box[3]] = True
    np.testing.assert_array_equal(inside_crop(crop, size).numpy(), expected)


@pytest.mark.parametrize("crop", [None, "eigen_nyu", "eigen_kitti", "garg"])
@pytest.mark.parametrize("caps", [(None, None), (1.0, None), (None, 8.0), (1.0, 8.0)])
def test_numpy_agrees_on_what_counts(crop: str | None, caps: tuple[float | None, float | None]) -> None:
    generator = torch.Generator().manual_seed(0)
    pred, target = 12 * torch.rand(2, 3, 1, 40, 50, generator=generator)
    known = torch.rand(3, 1, 40, 50, generator=generator) < 0.7
    task = DepthTask(TargetInfo("depth"), eval_crop=crop, eval_min_depth=caps[0], eval_max_depth=caps[1])
    metric = task.metric()
    metric.update(pred, target, known, (40, 50))

    low, high = caps[0] or 0.0, caps[1] or np.inf
    p, t = np.clip(pred.double().numpy(), low, high), target.double().numpy()
    counts = known.numpy() & (t > low) & (t < high)
    if crop is not None:
        counts &= inside_crop(crop, (40, 50)).numpy()
    error = np.abs(p - t)
    assert metric.compute()["mae"] == pytest.approx(error[counts].mean(), rel=1e-6)
    assert metric.compute()["abs_rel"] == pytest.approx((error / t)[counts].mean(), rel=1e-6)
    each = [error[i][counts[i]].mean() for i in range(3)]
    assert metric.per_image()["mae"].tolist() == pytest.approx(each, rel=1e-6)


def test_training_sees_every_pixel() -> None:
    """The protocol changes what is measured, and not what a loss is given."""
    raw, value = torch.randn(2, 1, 40, 50), torch.full((2, 1, 40, 50), 9.0)
    target = Target(value, torch.ones_like(value, dtype=torch.bool))
    plain = DepthTask(TargetInfo("depth"))
    measured = DepthTask(TargetInfo("depth"), eval_crop="garg", eval_min_depth=0.001, eval_max_depth=8.0)
    losses = [l1_loss(*task.loss_inputs("lengths", raw, target, (40, 50))) for task in (plain, measured)]
    assert losses[0] == losses[1] > 0
    metric = measured.metric()
    metric.update(measured.decode(raw, (40, 50)), *target, (40, 50))
    assert np.isnan(metric.compute()["mae"])  # all targets are beyond the cap


def test_a_prediction_that_is_nan_is_not_hidden_by_the_caps() -> None:
    pred, target = torch.full((1, 1, 4, 4), torch.nan), torch.ones(1, 1, 4, 4)
    clamped, _ = DepthProtocol(None, 0.1, 5.0).apply(pred, target, target > 0, (4, 4))
    assert clamped.isnan().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eval_crop": "eigen"}, "eval_crop must be 'eigen_nyu', 'eigen_kitti' or 'garg'"),
        (
            {"eval_min_depth": 2.0, "eval_max_depth": 1.0},
            "eval_min_depth < eval_max_depth; got eval_min_depth=2.0",
        ),
        ({"eval_max_depth": 0.0}, "eval_max_depth must be above 0"),
    ],
)
def test_impossible_protocols_are_refused(options: dict, message: str) -> None:
    with pytest.raises(CnnlibError, match=message):
        DepthTask(TargetInfo("depth"), **options)
