"""Metrics of labels against torchmetrics' own."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multilabel_exact_match,
    multilabel_f1_score,
)

from cnnlib.metrics.label import LabelMetrics, MultiLabelMetrics

SIZE = (8, 8)
CLASSES = 5


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), occurring=st.integers(1, CLASSES), images=st.integers(1, 40))
def test_torchmetrics_agrees(seed: int, occurring: int, images: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    pred = torch.rand(images, CLASSES, generator=generator)
    pred[:, occurring:] = 0
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


@settings(max_examples=30, deadline=None)
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


def test_labels_that_are_not_known_count_neither_for_nor_against() -> None:
    """The second class is wrong in the first image, but not known there; nothing is known of the last."""
    metric = MultiLabelMetrics()
    pred, target = (
        torch.tensor([[0.9, 0.9], [0.9, 0.1], [0.9, 0.9]]),
        torch.tensor([[1.0, 0], [0, 0], [0, 0]]),
    )
    metric.update(pred, target, torch.tensor([[True, False], [True, True], [False, False]]), SIZE)
    assert metric.compute() == {"accuracy": 0.5, "macro_f1": pytest.approx(2 / 3)}
    assert metric.per_image()["accuracy"][:2].tolist() == [1, 0]
    assert metric.per_image()["accuracy"][2].isnan()


def test_nan_is_wrong_even_for_the_first_class() -> None:
    metric = LabelMetrics(2)
    metric.update(torch.full((1, 2), torch.nan), torch.tensor([0]), torch.tensor([True]), SIZE)
    assert metric.compute() == {"accuracy": 0.0, "macro_f1": 0.0}
    assert metric.confusion().sum() == 0


def test_the_confusion_matrix_has_the_truth_in_rows() -> None:
    metric = LabelMetrics(2)
    metric.update(torch.tensor([[0.1, 0.9]] * 3), torch.tensor([0, 0, 1]), torch.tensor([True] * 3), SIZE)
    assert metric.confusion().tolist() == [[0, 2], [0, 1]]
