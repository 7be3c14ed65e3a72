from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision.ops import complete_box_iou_loss, generalized_box_iou_loss

from cnnlib.losses import ciou_loss, giou_loss

PAIRS = [(giou_loss, generalized_box_iou_loss), (ciou_loss, complete_box_iou_loss)]


def boxes(seed: int, count: int = 40, size: float = 100.0) -> Tensor:
    """In pixels, where torchvision's 0.0000001 in the denominators is nothing."""
    noise = torch.rand(count, 4, generator=torch.Generator().manual_seed(seed))
    corner = 0.6 * noise[:, :2]
    return size * torch.cat([corner, corner + 0.05 + 0.4 * noise[:, 2:]], dim=1)


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_equal_torchvision_on_the_valid_boxes_and_so_do_their_gradients(seed: int) -> None:
    target, valid = boxes(seed + 1), torch.rand(40, 1, generator=torch.Generator().manual_seed(seed)) > 0.3
    for ours, theirs in PAIRS:
        pred, same = boxes(seed).requires_grad_(), boxes(seed).requires_grad_()
        loss = ours(pred, target, valid)
        expected = theirs(same[valid[:, 0]], target[valid[:, 0]], reduction="mean")
        torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)
        loss.backward()
        expected.backward()
        torch.testing.assert_close(pred.grad, same.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("loss", [giou_loss, ciou_loss])
def test_of_shares_and_of_pixels_it_is_the_same(loss: type) -> None:
    pred, target = boxes(0, size=1.0), boxes(1, size=1.0)
    torch.testing.assert_close(loss(pred, target), loss(640 * pred, 640 * target))


@pytest.mark.parametrize("loss", [giou_loss, ciou_loss])
def test_several_boxes_of_an_image_are_as_many_images(loss: type) -> None:
    pred, target = boxes(0), boxes(1)
    torch.testing.assert_close(loss(pred.view(8, 5, 4), target.view(8, 5, 4)), loss(pred, target))


def test_giou_of_known_boxes() -> None:
    square = torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    beside = torch.tensor([[2.0, 0.0, 3.0, 1.0]])  # the hull has three squares, one of them empty
    half = torch.tensor([[0.0, 0.0, 0.5, 1.0]])
    assert giou_loss(square, square) == 0
    assert giou_loss(beside, square).item() == pytest.approx(1 + 1 / 3)
    assert giou_loss(half, square).item() == pytest.approx(0.5)


def test_ciou_of_known_boxes() -> None:
    square = torch.tensor([[0.0, 0.0, 2.0, 2.0]])
    moved = torch.tensor([[1.0, 0.0, 3.0, 2.0]])  # the same shape: IoU 2 of 6, centres 1 apart, hull 3 by 2
    assert ciou_loss(square, square) == 0
    assert ciou_loss(moved, square).item() == pytest.approx(1 - 2 / 6 + 1 / 13)


@pytest.mark.parametrize("loss", [giou_loss, ciou_loss])
@pytest.mark.parametrize(
    "box",
    [
        [0.3, 0.3, 0.3, 0.3],
        [0.3, 0.3, 0.3, 0.7],
        [0.7, 0.8, 0.2, 0.1],
        [0.0, 0.0, 0.0, 0.0],
        [1e-20, 1e-20, 2e-20, 2e-20],
        [-3.0, -3.0, 9.0, 9.0],
    ],
)
def test_degenerate_boxes_are_finite_and_so_are_their_gradients(loss: type, box: list[float]) -> None:
    normal = torch.tensor([[0.2, 0.1, 0.7, 0.8]])
    for pred, target in (
        (torch.tensor([box]), normal),
        (normal, torch.tensor([box])),
        2 * [torch.tensor([box])],
    ):
        pred = pred.clone().requires_grad_()
        value = loss(pred, target)
        value.backward()
        assert 0 <= value < 2.5
        assert pred.grad.isfinite().all()


def test_boxes_far_apart_attract_each_other() -> None:
    target = torch.tensor([[0.8, 0.8, 0.9, 0.9]])
    for loss in (giou_loss, ciou_loss):
        pred = torch.tensor([[0.1, 0.1, 0.2, 0.2]]).requires_grad_()
        loss(pred, target).backward()
        assert (pred.grad[0, 2:] < 0).all()


def test_four_numbers_make_a_box() -> None:
    with pytest.raises(ValueError, match=r"boxes must be \(B, \.\.\., 4\); they have shape \(2, 5\)"):
        giou_loss(torch.zeros(2, 5), torch.zeros(2, 5))
