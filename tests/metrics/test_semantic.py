"""Semantic metrics against torchmetrics' own."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_jaccard_index,
)

from cnnlib.metrics.semantic import SemanticMetrics

NAMES = ("sky", "ground", "cup", "unseen")
SIZE = (5, 6)


def _one_hot(classes: list[int]) -> Tensor:
    return torch.eye(len(NAMES))[torch.tensor(classes)].T.view(1, len(NAMES), 1, -1)


def _measure(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> SemanticMetrics:
    metric = SemanticMetrics(NAMES)
    metric.update(pred, target, torch.ones_like(target, dtype=torch.bool) if valid is None else valid, SIZE)
    return metric


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), classes=st.integers(1, 4), validity=st.floats(0.2, 1.0))
def test_torchmetrics_agrees(seed: int, classes: int, validity: float) -> None:
    """Also where some of the classes occur nowhere, and where invalid pixels hold an index that is no class."""
    generator = torch.Generator().manual_seed(seed)
    pred = torch.rand(4, len(NAMES), *SIZE, generator=generator)
    pred[:, classes:] = 0
    target = torch.randint(classes, (4, 1, *SIZE), generator=generator)
    valid = torch.rand(4, 1, *SIZE, generator=generator) < validity
    target = target.masked_fill(~valid, 255)
    metric = _measure(pred, target, valid)
    oracle = {"target": target.squeeze(1), "num_classes": len(NAMES), "ignore_index": 255}
    each = multiclass_jaccard_index(pred, **oracle, average="none")
    measured = metric.compute()
    assert measured["miou"] == pytest.approx(float(multiclass_jaccard_index(pred, **oracle)), rel=1e-5)
    assert measured["accuracy"] == pytest.approx(
        float(multiclass_accuracy(pred, **oracle, average="micro")), rel=1e-5
    )
    assert torch.equal(metric.confusion(), multiclass_confusion_matrix(pred, **oracle))
    for name, iou in zip(NAMES, each.tolist(), strict=True):
        assert math.isnan(measured[f"iou_{name}"]) or measured[f"iou_{name}"] == pytest.approx(iou, rel=1e-5)


def test_by_hand() -> None:
    """Ground: two of three in common; cup: one of two; a pixel of the sky is not counted."""
    target = torch.tensor([1, 1, 1, 2, 0]).view(1, 1, 1, -1)
    valid = torch.tensor([True, True, True, True, False]).view(1, 1, 1, -1)
    measured = _measure(_one_hot([1, 1, 2, 2, 3]), target, valid).compute()
    assert measured["iou_ground"] == 2 / 3
    assert measured["iou_cup"] == 1 / 2
    assert math.isnan(measured["iou_sky"])
    assert math.isnan(measured["iou_unseen"])
    assert measured["miou"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert measured["accuracy"] == 3 / 4


def test_a_class_that_is_only_predicted_counts_with_zero() -> None:
    measured = _measure(_one_hot([3, 1]), torch.tensor([1, 1]).view(1, 1, 1, -1)).compute()
    assert measured["iou_unseen"] == 0
    assert measured["miou"] == (0 + 1 / 2) / 2


def test_nan_is_wrong_even_for_the_first_class() -> None:
    pred = _one_hot([0, 0])
    pred[..., 0] = torch.nan
    assert _measure(pred, torch.zeros(1, 1, 1, 2, dtype=torch.int64)).compute()["accuracy"] == 0.5


def test_valid_classes_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="must be 0 to 3; they are 1 to 255"):
        _measure(_one_hot([0, 0]), torch.tensor([1, 255]).view(1, 1, 1, -1))


def test_an_image_is_measured_by_its_own_classes() -> None:
    metric = SemanticMetrics(NAMES)
    for found, true in (([0, 0], [0, 0]), ([1, 2], [1, 1])):
        target = torch.tensor(true).view(1, 1, 1, -1)
        metric.update(_one_hot(found), target, torch.ones_like(target, dtype=torch.bool), SIZE)
    assert metric.per_image()["miou"].tolist() == [1.0, 0.25]
    assert metric.compute()["miou"] == pytest.approx((1 + 0.5 + 0) / 3)


def test_a_new_split_starts_from_nothing() -> None:
    target = torch.tensor([1, 1, 0, 2]).view(1, 1, 1, -1)
    metric = _measure(_one_hot([1, 2, 0, 2]), target)
    metric.update(_one_hot([1, 2, 0, 2]), target, torch.ones_like(target, dtype=torch.bool), SIZE)
    assert metric.confusion().tolist() == [[2, 0, 0, 0], [0, 2, 2, 0], [0, 0, 2, 0], [0, 0, 0, 0]]
    assert torch.equal(metric.sums().truth, metric.confusion().sum(1).double())
    metric.reset()
    assert metric.confusion().sum() == 0
