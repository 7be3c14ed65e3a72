"""Mask metrics against torchmetrics' own, and the conventions for empty masks."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics.functional.classification import (
    binary_f1_score,
    binary_jaccard_index,
    binary_precision,
    binary_recall,
)

from cnnlib.metrics.mask import MaskMetrics

ORACLES = {
    "iou": binary_jaccard_index,
    "dice": binary_f1_score,
    "precision": binary_precision,
    "recall": binary_recall,
}

SIZE = (9, 11)


def _mask(pixels: list[float]) -> Tensor:
    return torch.tensor(pixels).view(1, 1, 1, -1)


def _measure(pred: list[float], target: list[float], valid: list[float] | None = None) -> dict[str, float]:
    metric = MaskMetrics()
    metric.update(_mask(pred), _mask(target), _mask(valid or [1] * len(pred)).bool(), SIZE)
    return metric.compute()


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), foreground=st.floats(0.05, 0.95), validity=st.floats(0.2, 1.0))
def test_torchmetrics_agrees(seed: int, foreground: float, validity: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    pred, noise, lottery = torch.rand(3, 4, 1, 9, 11, generator=generator)
    target, valid = (noise < foreground).float(), lottery < validity
    target[0, 0, 0, 0], valid[0, 0, 0, 0] = 1, True  # without any true pixel recall is 0 / 0
    metric = MaskMetrics()
    metric.update(pred, target, valid, SIZE)
    measured, per_image = metric.compute(), metric.per_image()
    for name, oracle in ORACLES.items():
        assert measured[name] == pytest.approx(float(oracle(pred[valid], target[valid].int())), rel=1e-6)
        for index, value in enumerate(per_image[name].tolist()):
            chosen = valid[index]
            counted = oracle(pred[index][chosen], target[index][chosen].int())
            assert math.isnan(value) or value == pytest.approx(float(counted), rel=1e-6)


def test_by_hand() -> None:
    """Two found of three, and one false alarm; the last pixel is not counted."""
    measured = _measure([0.9, 0.5, 0.49, 0.7, 0.1, 1.0], [1, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0])
    assert measured == pytest.approx({"iou": 2 / 4, "dice": 4 / 6, "precision": 2 / 3, "recall": 2 / 3})


def test_nothing_there_and_nothing_found_is_perfect() -> None:
    measured = _measure([0.1, 0.2], [0, 0])
    assert (measured["iou"], measured["dice"]) == (1.0, 1.0)
    assert math.isnan(measured["precision"])
    assert math.isnan(measured["recall"])


def test_missed_object() -> None:
    measured = _measure([0.1, 0.2], [0, 1])
    assert (measured["iou"], measured["dice"], measured["recall"]) == (0.0, 0.0, 0.0)
    assert math.isnan(measured["precision"])


def test_false_alarm() -> None:
    measured = _measure([0.1, 0.8], [0, 0])
    assert (measured["iou"], measured["dice"], measured["precision"]) == (0.0, 0.0, 0.0)
    assert math.isnan(measured["recall"])


def test_an_image_without_objects_weighs_nothing_in_the_splits_iou() -> None:
    metric = MaskMetrics()
    for pred, target in (([0.9, 0.9, 0.1], [1, 0, 0]), ([0.1, 0.1, 0.1], [0, 0, 0])):
        metric.update(_mask(pred), _mask(target), torch.ones(1, 1, 1, 3, dtype=torch.bool), SIZE)
    assert metric.compute()["iou"] == 0.5
    assert metric.per_image()["iou"].tolist() == [0.5, 1.0]
