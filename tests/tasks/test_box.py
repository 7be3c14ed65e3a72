"""Boxes: decoded into the picture, moved as torchvision moves them."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision import tv_tensors
from torchvision.ops import box_convert, box_iou
from torchvision.transforms.v2 import functional as F

from cnnlib.augmentations.similarity import Similarity
from cnnlib.tasks import BoxTask
from cnnlib.types import CnnlibError, Size, Target, TargetInfo

SIZE = (24, 32)
TASK = BoxTask(TargetInfo("box"))
KNOWN = torch.tensor(True)


def box(*edges: float) -> Target:
    return Target(torch.tensor(edges, dtype=torch.float32), KNOWN)


def as_torchvision(value: Tensor, size: Size = SIZE) -> tv_tensors.BoundingBoxes:
    return tv_tensors.BoundingBoxes(value[None], format="XYXY", canvas_size=size)


def test_decoded_boxes_are_centre_and_size_inside_the_picture() -> None:
    raw = 3 * torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    shares = raw.sigmoid() * torch.tensor([32.0, 24, 32, 24])
    expected = F.clamp_bounding_boxes(
        tv_tensors.BoundingBoxes(box_convert(shares, "cxcywh", "xyxy"), format="XYXY", canvas_size=SIZE)
    )
    torch.testing.assert_close(TASK.decode(raw, SIZE), expected.as_subclass(Tensor))
    assert (TASK.decode(torch.full((1, 4), 50.0), SIZE) >= 0).all()


def test_losses_see_shares_of_the_longer_side_and_edges_beyond_the_picture() -> None:
    raw = torch.tensor([[-9.0, 0, 0, 0]])  # half as wide as the picture, around its left edge
    pred, target, valid = TASK.loss_inputs(
        "boxes", raw, Target(torch.tensor([[0.0, 6, 16, 18]]), KNOWN[None]), SIZE
    )
    torch.testing.assert_close(pred, torch.tensor([[-0.25, 6 / 32, 0.25, 18 / 32]]), atol=1e-3, rtol=0)
    torch.testing.assert_close(target, torch.tensor([[0.0, 6 / 32, 0.5, 18 / 32]]))
    assert valid.tolist() == [[True]]


@settings(max_examples=30)
@given(mirrored=st.booleans(), upside_down=st.booleans(), seed=st.integers(0, 1000))
def test_torchvision_flips_the_same(mirrored: bool, upside_down: bool, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    value = torch.rand(2, 2, generator=generator).sort(0).values.mul(torch.tensor([32.0, 24])).flatten()
    expected = as_torchvision(value)
    if mirrored:
        expected = F.horizontal_flip(expected)
    if upside_down:
        expected = F.vertical_flip(expected)
    view = Similarity(mirrored=mirrored != upside_down, angle=180.0 * upside_down).view(SIZE)
    moved = TASK.move(Target(value, KNOWN), view)
    torch.testing.assert_close(moved.value, expected.as_subclass(Tensor)[0], atol=1e-4, rtol=0)
    assert moved.valid


@settings(max_examples=30)
@given(angle=st.floats(-180, 180), zoom=st.floats(0.7, 1.5), shift=st.floats(-3, 3))
def test_torchvision_turns_the_same(angle: float, zoom: float, shift: float) -> None:
    """Its affine also takes the box around the moved corners, and cuts it to the image."""
    value = torch.tensor([8.0, 6, 20, 19])
    view = Similarity(angle=angle, zoom=zoom, shift=(shift, -shift)).view(SIZE)
    expected = F.affine(
        as_torchvision(value), angle=angle, translate=[shift, -shift], scale=zoom, shear=[0.0, 0.0]
    )
    moved = TASK.move(Target(value, KNOWN), view)
    torch.testing.assert_close(moved.value, expected.as_subclass(Tensor)[0], atol=0.01, rtol=0)


@pytest.mark.parametrize(("shift", "valid"), [(0.0, True), (26.5, True), (27.5, False), (90.0, False)])
def test_a_box_with_little_left_is_not_valid(shift: float, valid: bool) -> None:
    """20 pixels wide, of which fewer than 2 are left after more than 27."""
    moved = TASK.move(box(9, 4, 29, 14), Similarity(shift=(-shift, 0.0)).view(SIZE))
    assert bool(moved.valid) == valid
    assert moved.value.min() >= 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[4.0, 4, 9, 9], [5, 5, 3, 9]], r"xmin < xmax and ymin < ymax; one is \[5.0, 5.0, 3.0, 9.0\]"),
        ([[0.1, 0.2, 0.5, 0.9]], "seem to be shares of the picture; multiply x by its width"),
        ([[torch.nan, 0, 5, 5]], "NaN or infinite"),
    ],
)
def test_broken_boxes_are_refused(values: list[list[float]], message: str) -> None:
    TASK.check_values(torch.tensor([[0.0, 0, 1, 2]]))
    with pytest.raises(CnnlibError, match=message):
        TASK.check_values(torch.tensor(values))


def test_a_box_of_another_picture_is_refused() -> None:
    with pytest.raises(CnnlibError, match="at x=500, y=400, far outside of the picture of 32 x 24 pixels"):
        TASK.check(box(5, 5, 500, 400), SIZE)
    assert not TASK.check(Target(torch.full((4,), 999.0), ~KNOWN), SIZE).valid


def test_a_box_is_drawn_around_its_pixels() -> None:
    """On the enlarged image: along the box, not inside of it, and not where it is not known."""
    image = torch.zeros(3, *SIZE)
    picture = TASK.draw(torch.tensor([8.0, 8, 24, 16]), image).sum(0) > 0
    rows, columns = picture.any(1).nonzero(), picture.any(0).nonzero()
    assert (rows.min() // 8, rows.max() // 8, columns.min() // 8, columns.max() // 8) == (7, 15, 7, 23)
    assert not picture[72:120, 72:184].any()
    assert not TASK.draw(torch.tensor([8.0, 8, 24, 16]), image, ~KNOWN).any()
    both = TASK.draw_error(torch.tensor([8.0, 8, 24, 16]), box(2, 2, 30, 20), image)
    assert (both[0] > both[2]).any()
    assert (both[2] > both[0]).any()


@given(st.lists(st.tuples(*[st.integers(0, 9), st.integers(1, 9)] * 2), min_size=1, max_size=8))
def test_the_constant_is_the_training_box_that_overlaps_most_with_the_others(edges: list[tuple]) -> None:
    """By torchvision's IoU; whatever lies where there is no box."""
    boxes = [box(x, y, x + width, y + height) for x, width, y, height in edges]
    unknown = Target(torch.full((4,), torch.nan), ~KNOWN)
    constant = TASK.constant([unknown, *boxes, unknown])
    values = torch.stack([each.value for each in boxes])
    assert constant.tolist() in values.tolist()
    means = box_iou(values, values).mean(1)
    assert box_iou(constant[None], values).mean() == pytest.approx(means.max().item(), abs=1e-6)


def test_a_row_and_a_resize() -> None:
    assert TASK.store(torch.tensor([1.5, 2, 3, 4])) == {"xmin": 1.5, "ymin": 2, "xmax": 3, "ymax": 4}
    assert set(TASK.store(torch.zeros(4), ~KNOWN).values()) == {None}
    resized = TASK.resize(torch.tensor([8.0, 6, 16, 12]), SIZE, (12, 96))
    assert resized.tolist() == [24, 3, 48, 6]
    expected = F.resize(as_torchvision(torch.tensor([8.0, 6, 16, 12])), [12, 96])
    torch.testing.assert_close(resized[None], expected.as_subclass(Tensor))
