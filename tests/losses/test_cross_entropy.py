from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from cnnlib.losses import CrossEntropyLoss, bce_loss, cross_entropy_loss
from cnnlib.types import CnnlibError

LOGITS = 3 * torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))
TARGET = torch.randint(0, 5, (2, 6, 7), generator=torch.Generator().manual_seed(1))
VALID = torch.rand(2, 6, 7, generator=torch.Generator().manual_seed(2)) > 0.3


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.6])
def test_equals_torch_with_an_ignored_class_for_what_is_not_valid(label_smoothing: float) -> None:
    ignored = torch.where(VALID, TARGET, 255)
    expected = F.cross_entropy(LOGITS, ignored, ignore_index=255, label_smoothing=label_smoothing)
    torch.testing.assert_close(cross_entropy_loss(LOGITS, TARGET, VALID, label_smoothing), expected)


def test_of_one_label_for_each_image_equals_torch() -> None:
    logits, target, valid = LOGITS[:, :, 0].mT.flatten(0, 1), TARGET[:, 0].flatten(), VALID[:, 0].flatten()
    expected = F.cross_entropy(logits[valid], target[valid])
    torch.testing.assert_close(cross_entropy_loss(logits, target, valid), expected)


def test_two_classes_are_bce_on_the_difference_of_their_logits() -> None:
    target = (TARGET > 2).long()
    expected = bce_loss(LOGITS[:, 1] - LOGITS[:, 0], target.float())
    torch.testing.assert_close(cross_entropy_loss(LOGITS[:, :2], target), expected)


def test_classes_may_come_as_any_kind_of_number() -> None:
    loss = cross_entropy_loss(LOGITS, TARGET)
    for dtype in (torch.uint8, torch.int32, torch.float32):
        assert cross_entropy_loss(LOGITS, TARGET.to(dtype)) == loss


def test_the_target_has_no_axis_of_classes() -> None:
    with pytest.raises(ValueError, match="one shape, but for the classes along axis 1"):
        cross_entropy_loss(LOGITS, TARGET[:, None])


WEIGHTS = [0.5, 2.0, 1.0, 0.25, 7.0]


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_weights_of_classes_are_those_of_torch(label_smoothing: float) -> None:
    ignored = torch.where(VALID, TARGET, 255)
    expected = F.cross_entropy(
        LOGITS, ignored, torch.tensor(WEIGHTS), ignore_index=255, label_smoothing=label_smoothing
    )
    loss = CrossEntropyLoss(label_smoothing, WEIGHTS)
    torch.testing.assert_close(loss(LOGITS, TARGET, VALID), expected)
    torch.testing.assert_close(
        loss.double()(LOGITS.double(), TARGET, VALID), expected.double(), rtol=1e-6, atol=0
    )


@given(st.lists(st.lists(st.sampled_from([0, 1, 3]), max_size=6), min_size=1))
def test_balanced_weights_are_those_of_scikit_learn(targets: list[list[int]]) -> None:
    labels = [label for target in targets for label in target]
    loss = CrossEntropyLoss(class_weights="balanced")
    if not labels:
        with pytest.raises(CnnlibError, match="needs training targets that are valid; there are none"):
            loss.prepare(torch.tensor(target, dtype=torch.int64) for target in targets)
        return
    loss.prepare(torch.tensor(target, dtype=torch.int64) for target in targets)
    present = sorted(set(labels))
    expected = dict(
        zip(present, compute_class_weight("balanced", classes=np.array(present), y=labels), strict=True)
    )
    assert loss.class_weights == pytest.approx([expected.get(k, 0) for k in range(max(present) + 1)])
    loss.prepare([torch.tensor([0])] * 5)  # of another fold, say
    assert loss.class_weights == [1.0]


def test_balanced_classes_pull_alike() -> None:
    """A prediction that says nothing has no reason to move to the frequent class."""
    target = torch.tensor([0] * 8 + [1] * 3 + [2])
    loss = CrossEntropyLoss(class_weights="balanced")
    loss.prepare([target[:5], target[5:]])
    undecided = torch.zeros(12, 3, requires_grad=True)
    loss(undecided, target).backward()
    torch.testing.assert_close(undecided.grad.sum(0), torch.zeros(3), rtol=0, atol=1e-7)
    assert undecided.grad.abs().sum() > 0.1


def test_a_class_without_a_training_element_counts_nothing() -> None:
    loss = CrossEntropyLoss(class_weights="balanced")
    loss.prepare([torch.tensor([0, 0, 2])])
    torch.testing.assert_close(torch.tensor(loss.class_weights), torch.tensor([0.75, 0, 1.5]))
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(3))
    both = loss(logits, torch.tensor([0, 1, 2, 4]))
    torch.testing.assert_close(both, loss(logits[[0, 2]], torch.tensor([0, 2])))
    assert loss(logits, torch.tensor([1, 1, 4, 3])) == 0


def test_weights_need_one_for_each_class_and_balanced_ones_the_targets() -> None:
    with pytest.raises(CnnlibError, match=r"a weight for each of the 5 classes, in the order .* it has 3"):
        CrossEntropyLoss(class_weights=[1.0, 2.0, 3.0])(LOGITS, TARGET)
    with pytest.raises(RuntimeError, match="call prepare"):
        CrossEntropyLoss(class_weights="balanced")(LOGITS, TARGET)


def test_without_balanced_weights_no_target_is_looked_at() -> None:
    def targets() -> Iterator[torch.Tensor]:
        raise AssertionError("looked")
        yield

    CrossEntropyLoss().prepare(targets())
    CrossEntropyLoss(class_weights=[1.0, 2.0]).prepare(targets())
