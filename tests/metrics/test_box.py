"""Metrics of boxes against torchvision's IoU and NumPy's quantiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import box_iou

from cnnlib.metrics.box import BoxMetrics

SIZE = (40, 60)


def _boxes(seed: int, count: int = 12) -> Tensor:
    corner, extent = 20 * torch.rand(2, count, 2, generator=torch.Generator().manual_seed(seed))
    return torch.cat([corner, corner + extent + 0.5], 1)


def _measure(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> BoxMetrics:
    metric = BoxMetrics()
    metric.update(pred, target, torch.ones(len(pred), dtype=torch.bool) if valid is None else valid, SIZE)
    return metric


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_torchvision_and_numpy_agree(seed: int) -> None:
    pred, target = _boxes(seed), _boxes(seed + 1)
    valid = torch.rand(12, generator=torch.Generator().manual_seed(seed)) < 0.7
    valid[0] = True
    metric = _measure(pred, target, valid)
    iou = box_iou(pred.double(), target.double()).diagonal()
    torch.testing.assert_close(metric.per_image()["iou"][valid], iou[valid])
    assert metric.per_image()["iou"][~valid].isnan().all()
    known = iou[valid].numpy()
    expected = {
        "iou": known.mean(),
        "iou_q25": np.quantile(known, 0.25),
        "iou_median": np.median(known),
        "iou_q75": np.quantile(known, 0.75),
        "above_0.5": (known >= 0.5).mean(),
        "above_0.75": (known >= 0.75).mean(),
    }
    assert metric.compute() == pytest.approx(expected, rel=1e-9)


def test_by_hand() -> None:
    """Half of each box is common: 2 of 6 pixels; exactly half, and three quarters, are at least that."""
    one = torch.tensor([[0.0, 0, 2, 2], [0, 0, 4, 1], [0, 0, 4, 1]])
    other = torch.tensor([[1.0, 0, 3, 2], [0, 0, 2, 1], [0, 0, 3, 1]])
    metric = _measure(one, other)
    assert metric.per_image()["iou"].tolist() == pytest.approx([1 / 3, 0.5, 0.75])
    assert metric.compute()["above_0.5"] == pytest.approx(2 / 3)
    assert metric.compute()["above_0.75"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("box", [[3.0, 3, 3, 3], [5, 5, 2, 8], [5, 5, 2, 2], [50, 50, 60, 60]])
def test_a_box_without_area_or_overlap_has_no_iou(box: list[float]) -> None:
    assert _measure(torch.tensor([box]), torch.tensor([[1.0, 1, 9, 9]])).compute()["iou"] == 0
    assert _measure(torch.tensor([[3.0, 3, 3, 3]]), torch.tensor([[3.0, 3, 3, 3]])).compute()["iou"] == 0


def test_a_prediction_that_is_nan_shows() -> None:
    pred = torch.tensor([[0.0, 0, 1, 1], [torch.nan, 0, 1, 1]])
    assert all(
        np.isnan(value) for value in _measure(pred, torch.tensor([[0.0, 0, 1, 1]] * 2)).compute().values()
    )
