"""Metrics of labels against torchmetrics' own."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss
from torchmetrics.functional.classification import (
    binary_calibration_error,
    multiclass_accuracy,
    multiclass_calibration_error,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multilabel_exact_match,
    multilabel_f1_score,
)

from cnnlib.metrics.calibration import calibration_error, reliability_bins
from cnnlib.metrics.label import LabelMetrics, MultiLabelMetrics

SIZE = (8, 8)
CLASSES = 5


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), occurring=st.integers(1, CLASSES), images=st.integers(1, 40))
def test_torchmetrics_agrees(seed: int, occurring: int, images: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pred = torch.rand(images, CLASSES, generator=generator)
    pred[:, occurring:] = 0
    pred /= pred.sum(1, keepdim=True)
    target = torch.randint(occurring, (images,), generator=generator)
    valid = torch.rand(images, generator=generator) < 0.8
    valid[0] = True
    metric = LabelMetrics(CLASSES)
    metric.update(pred, target, valid, SIZE)
    measured = metric.compute()
    known = (pred[valid], target[valid], CLASSES)
    assert measured["accuracy"] == pytest.approx(float(multiclass_accuracy(*known, average="micro")))
    assert measured["macro_f1"] == pytest.approx(
        float(multiclass_f1_score(*known, average="macro")), rel=1e-5
    )
    assert torch.equal(metric.confusion(), multiclass_confusion_matrix(*known))
    sure = (
        occurring == 1
    )  # torchmetrics puts a confidence of exactly 1 into a sixteenth bin; the error is the same
    assert pred.max() == 1 if sure else pred.max() < 1
    assert measured["ece"] == pytest.approx(float(multiclass_calibration_error(*known, n_bins=15)), abs=1e-6)
    brier = [brier_score_loss(target[valid] == index, pred[valid, index]) for index in range(CLASSES)]
    assert measured["brier"] == pytest.approx(sum(brier), abs=1e-6)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_torchmetrics_agrees_on_several_labels(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pred, noise = torch.rand(2, 12, CLASSES, generator=generator)
    target = torch.where(
        torch.rand(12, 1, generator=generator) < 0.4, (pred >= 0.5).float(), (noise < 0.4).float()
    )
    metric = MultiLabelMetrics()
    metric.update(pred, target, torch.ones_like(target, dtype=torch.bool), SIZE)
    measured = metric.compute()
    truth = target.int()
    assert measured["accuracy"] == pytest.approx(float(multilabel_exact_match(pred, truth, CLASSES)))
    assert measured["macro_f1"] == pytest.approx(float(multilabel_f1_score(pred, truth, CLASSES)), rel=1e-5)
    columns = [(pred[:, index].contiguous(), truth[:, index]) for index in range(CLASSES)]
    ece = [float(binary_calibration_error(one, yes, n_bins=15)) for one, yes in columns]
    assert measured["ece"] == pytest.approx(sum(ece) / CLASSES, abs=1e-6)
    brier = [brier_score_loss(yes, one, labels=[0, 1]) for one, yes in columns]
    assert measured["brier"] == pytest.approx(sum(brier) / CLASSES, abs=1e-6)


def test_labels_that_are_not_known_count_neither_for_nor_against() -> None:
    """The second class is wrong in the first image, but not known there; nothing is known of the last."""
    metric = MultiLabelMetrics()
    pred, target = (
        torch.tensor([[0.9, 0.9], [0.9, 0.1], [0.9, 0.9]]),
        torch.tensor([[1.0, 0], [0, 0], [0, 0]]),
    )
    metric.update(pred, target, torch.tensor([[True, False], [True, True], [False, False]]), SIZE)
    measured = metric.compute()
    assert measured["accuracy"] == 0.5
    assert measured["macro_f1"] == pytest.approx(2 / 3)
    assert measured["ece"] == pytest.approx((abs(1.8 - 1) / 2 + 0.1) / 2)
    assert measured["brier"] == pytest.approx((0.01 + 0.81 + 0.01) / 3)
    assert metric.per_image()["accuracy"][:2].tolist() == [1, 0]
    assert metric.per_image()["accuracy"][2].isnan()


def test_nan_is_wrong_even_for_the_first_class() -> None:
    metric = LabelMetrics(2)
    metric.update(torch.full((1, 2), torch.nan), torch.tensor([0]), torch.tensor([True]), SIZE)
    measured = metric.compute()
    assert (measured["accuracy"], measured["macro_f1"]) == (0.0, 0.0)
    assert math.isnan(measured["ece"])
    assert math.isnan(measured["brier"])
    assert metric.confusion().sum() == 0


def test_the_confusion_matrix_has_the_truth_in_rows() -> None:
    metric = LabelMetrics(2)
    metric.update(torch.tensor([[0.1, 0.9]] * 3), torch.tensor([0, 0, 1]), torch.tensor([True] * 3), SIZE)
    assert metric.confusion().tolist() == [[0, 2], [0, 1]]


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    """Intervals ((m - 1) / M, m / M], as Guo et al. define them; 0 belongs to the first."""
    confidence = torch.tensor([0.0, 1 / 15, 2 / 15, 0.5, 1.0], dtype=torch.float64)
    bins = reliability_bins(confidence, torch.ones(5, dtype=torch.bool))
    assert bins[:, 0].nonzero().flatten().tolist() == [0, 1, 7, 14]
    assert bins[0].tolist() == [2, pytest.approx(1 / 15), 2]


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_who_is_right_as_often_as_sure_is_calibrated(seed: int) -> None:
    """By construction: in each bin, as many are right as the confidences add up to."""
    confidence = torch.rand(7, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    repeated = (confidence * 20).round() / 20
    right = torch.cat([torch.arange(20) < round(20 * float(one)) for one in repeated])
    bins = reliability_bins(repeated.repeat_interleave(20), right)
    assert float(calibration_error(bins)) == pytest.approx(0, abs=1e-12)
    assert float(calibration_error(reliability_bins(repeated, torch.zeros(7)))) == pytest.approx(
        float(repeated.mean())
    )


def test_nothing_has_no_calibration() -> None:
    assert calibration_error(reliability_bins(torch.zeros(0), torch.zeros(0))).isnan()
