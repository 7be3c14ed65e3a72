"""Counts of classes against scikit-learn's report, added up over splits, and kept in a file."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import jaccard_score, precision_recall_fscore_support

from cnnlib.files import json_text
from cnnlib.tasks import LabelTask, MaskTask, SemanticTask, Task
from cnnlib.tasks.class_counts import ClassCounts, counts_from_json, counts_to_json, total
from cnnlib.types import CnnlibError, Target, TargetInfo

NAMES = ("raccoon", "kangaroo", "panda", "ankle")
SIZE = (6, 7)
LABEL = LabelTask(TargetInfo("label", names=NAMES))
MANY = LabelTask(TargetInfo("label", names=NAMES, multi_label=True))
SEMANTIC = SemanticTask(TargetInfo("semantic", names=NAMES))


def counted(task: Task, pred: torch.Tensor, target: Target) -> ClassCounts:
    metric = task.metric()
    metric.update(pred, *target, SIZE)
    return task.class_counts(metric)


def random_split(task: Task, seed: int, images: int = 30, occurring: int = 4) -> tuple[torch.Tensor, Target]:
    """Predictions and targets, of the first ``occurring`` classes, some of them not valid."""
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(images, 4, *SIZE, generator=generator)
    raw[:, occurring:] = -100
    classes = torch.randint(occurring, (images, 1, *SIZE), generator=generator)
    known = torch.rand(images, 4, *SIZE, generator=generator) < 0.8
    if task is SEMANTIC:
        return task.decode(raw, SIZE), Target(classes, known[:, :1])
    pred = task.decode(raw[..., 0, 0], SIZE)
    if task is MANY:
        return pred, Target((classes[..., 0, :4] % 2).float().squeeze(1), known[..., 0, 0])
    return pred, Target(classes[:, 0, 0, 0], known[:, 0, 0, 0])


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from([LABEL, SEMANTIC]))
def test_the_scores_of_each_class_are_those_of_sklearn(seed: int, occurring: int, task: Task) -> None:
    pred, target = random_split(task, seed, occurring=occurring)
    target.valid[0] = True
    found = pred.argmax(1, keepdim=task is SEMANTIC)[target.valid]
    labels = {"labels": range(4), "zero_division": np.nan}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        *expected, support = precision_recall_fscore_support(target.value[target.valid], found, **labels)
        iou = jaccard_score(target.value[target.valid], found, labels=range(4), average=None, zero_division=0)
    counts = counted(task, pred, target)
    for name, values in zip(("precision", "recall", "f1"), expected, strict=True):
        np.testing.assert_allclose(counts.score(name), values)
    np.testing.assert_allclose(np.nan_to_num(counts.score("iou")), iou)
    assert counts.truth == tuple(support)
    assert np.isnan(counts.score("f1")).sum() == np.isnan(counts.score("iou")).sum() >= 4 - occurring


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_of_several_classes_at_once_each_is_a_yes_or_no(seed: int) -> None:
    pred, target = random_split(MANY, seed)
    counts = counted(MANY, pred, target)
    assert counts.pairs == ()
    for index in range(4):
        known = target.valid[:, index]
        yes, truth = (pred[known, index] >= 0.5).int(), target.value[known, index].int()
        *expected, _ = precision_recall_fscore_support(truth, yes, average="binary", zero_division=np.nan)
        own = [counts.score(name)[index] for name in ("precision", "recall", "f1")]
        np.testing.assert_allclose(own, expected)
        assert counts.truth[index] == truth.sum()


@pytest.mark.parametrize("task", [LABEL, MANY, SEMANTIC])
def test_counts_add_up_over_splits(task: Task) -> None:
    pred, target = random_split(task, 3)
    parts = [
        counted(task, pred[part], Target(target.value[part], target.valid[part]))
        for part in (slice(0, 11), slice(11, None))
    ]
    both, whole = total(parts), counted(task, pred, target)
    assert (both.pairs, both.both, both.found, both.truth) == (
        whole.pairs,
        whole.both,
        whole.found,
        whole.truth,
    )
    np.testing.assert_allclose(both.bins, whole.bins)
    if whole.pairs:
        assert tuple(np.sum(whole.pairs, axis=1)) == whole.truth
        np.testing.assert_allclose(whole.row_shares.sum(1), 1)


def test_counts_of_other_classes_are_not_added() -> None:
    other = LabelTask(TargetInfo("label", names=("a", "b", "c", "d")))
    pred, target = random_split(LABEL, 0)
    with pytest.raises(
        CnnlibError, match="raccoon, kangaroo, panda, ankle cannot be added to those of a, b, c, d"
    ):
        counted(LABEL, pred, target) + counted(other, pred, target)


def test_nan_survives_a_file() -> None:
    """One image whose probabilities are NaN: in no column of the matrix, and no calibration."""
    pred = torch.full((1, 4), torch.nan)
    counts = counted(LABEL, pred, Target(torch.tensor([1]), torch.tensor([True])))
    (back,) = counts_from_json(json.loads(json_text(counts_to_json({"a": counts}))), "result.json").values()
    assert (back.truth, back.found, back.both) == ((0, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0))
    assert np.isnan(back.calibration_error)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"both": [1, 2]}, "by_class.what"),
        ({"pairs": [[1, 2, 3, 4]]}, "by_class.what"),
        ({"bins": [[[1.0, 1.0]]]}, "by_class.what.bins"),
        ({"truth": "many"}, "by_class.what.truth"),
        ({"pairs": [[1], [1, 2]]}, "by_class.what"),
    ],
)
def test_damaged_counts_are_named(change: dict, place: str) -> None:
    stored = counts_to_json({"what": counted(LABEL, *random_split(LABEL, 1))})
    stored["what"] |= change
    with pytest.raises(CnnlibError, match=f"result.json: damaged .{place}"):
        counts_from_json(stored, "result.json")


def test_a_diagram_holds_every_prediction() -> None:
    pred, target = random_split(LABEL, 5)
    number, confidence, right = counted(LABEL, pred, target).reliability.T
    assert number.sum() == target.valid.sum()
    edges = np.arange(16) / 15
    known = number > 0
    assert ((confidence >= edges[:-1] - 1e-6) & (confidence <= edges[1:] + 1e-6))[known].all()
    correct = (pred.argmax(1) == target.value)[target.valid]
    assert (number * right)[known].sum() == pytest.approx(float(correct.sum()))


def test_a_task_without_classes_counts_none() -> None:
    task = MaskTask(TargetInfo("mask"))
    assert task.class_counts(task.metric()) is None
