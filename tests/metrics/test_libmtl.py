"""The metrics of LibMTL's NYUv2 tables, from files as its users have them, against their definitions in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlib.metrics.depth import DepthMetrics
from cnnlib.metrics.normals import NormalsMetrics
from cnnlib.metrics.semantic import SemanticMetrics

SIZE = (9, 11)
IMAGES, CLASSES = 5, 4
BATCHES = (slice(0, 3), slice(3, 5))  # of different size: a mean over batches would differ


def _maps(seed: int, channels: int) -> Tensor:
    return torch.randn(IMAGES, channels, *SIZE, generator=torch.Generator().manual_seed(seed))


def _known(seed: int) -> Tensor:
    """More pixels are known in the first images than in the last."""
    shares = torch.linspace(0.9, 0.2, IMAGES).view(-1, 1, 1, 1)
    return torch.rand(IMAGES, 1, *SIZE, generator=torch.Generator().manual_seed(seed)) < shares


def test_miou_and_pixel_accuracy() -> None:
    prob, known = _maps(0, CLASSES).softmax(1), _known(1)
    stored = torch.randint(CLASSES, (IMAGES, 1, *SIZE), generator=torch.Generator().manual_seed(2))
    stored = stored.masked_fill(~known, -1)  # as in the files
    metric = SemanticMetrics([str(name) for name in range(CLASSES)])
    for batch in BATCHES:
        metric.update(prob[batch], stored[batch], stored[batch] >= 0, SIZE)

    found, truth = prob.argmax(1).numpy()[known[:, 0].numpy()], stored[known].numpy()
    iou = [((found == c) & (truth == c)).sum() / ((found == c) | (truth == c)).sum() for c in range(CLASSES)]
    measured = metric.compute()
    assert measured["miou"] == pytest.approx(np.mean(iou), rel=1e-9)
    assert measured["accuracy"] == pytest.approx((found == truth).mean(), rel=1e-9)


def test_absolute_and_relative_error() -> None:
    pred, known = _maps(3, 1).abs() + 0.1, _known(4)
    stored = (_maps(5, 1).abs() + 0.5).masked_fill(~known, 0)
    metric = DepthMetrics()
    for batch in BATCHES:
        metric.update(pred[batch], stored[batch], stored[batch] > 0, SIZE)

    p, t = pred[known].double().numpy(), stored[known].double().numpy()
    measured = metric.compute()
    assert measured["mae"] == pytest.approx(np.abs(p - t).mean(), rel=1e-6)
    assert measured["abs_rel"] == pytest.approx((np.abs(p - t) / t).mean(), rel=1e-6)


def test_mean_median_and_shares_of_the_angle() -> None:
    truth, known = F.normalize(_maps(6, 3), dim=1), _known(7)
    pred = F.normalize(truth + 0.4 * _maps(8, 3), dim=1)
    stored = truth * known
    metric = NormalsMetrics()
    for batch in BATCHES:
        metric.update(pred[batch], stored[batch], stored[batch].norm(dim=1, keepdim=True) > 0, SIZE)

    cosine = (pred.double() * truth.double()).sum(1).clamp(-1, 1).numpy()[known[:, 0].numpy()]
    angle = np.degrees(np.arccos(cosine))
    measured = metric.compute()
    assert measured["mean"] == pytest.approx(angle.mean(), abs=1e-4)
    middle = np.sort(angle)[(len(angle) - 1) // 2]
    assert measured["median"] == pytest.approx(middle, abs=0.006)
    for limit in (11.25, 22.5, 30):
        assert measured[f"within_{limit}"] == pytest.approx((angle < limit).mean(), rel=1e-9)
