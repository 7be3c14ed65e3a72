"""Points under geometric augmentations: there and back, kept in view, and where the picture shows them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import center_of_mass
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from cnnlib.augmentations import Blur, Color, Flip, Geometric, Pipeline, Rotate, ScaleCrop, Similarity
from cnnlib.tasks import BoxTask, DepthTask, PointsTask, Task
from cnnlib.types import Sample, Size, Target, TargetInfo

NAMES = ("left", "right", "nose", "chin")
POINTS = PointsTask(TargetInfo("points", names=NAMES, flip_order=(1, 0, 2, 3)))
TASKS: dict[str, Task] = {"points": POINTS}
AFTER_A_FLIP = [1, 0, 2, 3]

sizes = st.tuples(st.integers(20, 160), st.integers(20, 160))
seeds = st.integers(0, 10_000)
chains = st.lists(
    st.sampled_from([Flip(0.5, 0.5), Rotate(180), Rotate(40, keep_points=True), ScaleCrop(0.5, 2.0)]),
    min_size=1,
    max_size=4,
)


class Recorded(Geometric):
    """Draws as another one does, and keeps what it drew."""

    def __init__(self, inner: Geometric) -> None:
        self.inner, self.drawn, self.places = inner, Similarity(), torch.zeros(0, 2)

    def draw(self, height: int, width: int, places: Tensor) -> Similarity:
        self.drawn, self.places = self.inner.draw(height, width, places), places
        return self.drawn


def random_sample(size: Size, seed: int, image: Tensor | None = None) -> Sample:
    """Points all over the picture."""
    shares = torch.rand(len(NAMES), 2, generator=torch.Generator().manual_seed(seed))
    value = shares * torch.tensor([size[1], size[0]]) - 0.5
    return {"image": torch.rand(3, *size) if image is None else image, "points": Target(value), "name": "s"}


def inverse(similarity: Similarity) -> Similarity:
    """Solved by hand: mirroring after the other parts turns the other way, and moves x the other way."""
    angle = similarity.angle if similarity.mirrored else -similarity.angle
    back = Similarity(mirrored=similarity.mirrored, angle=angle, zoom=1 / similarity.zoom)
    x, y = Similarity(shift=similarity.shift).then(back).shift
    return Similarity(back.mirrored, back.angle, back.zoom, (-x, -y))


def apply(augmentations: Sequence[Geometric], sample: Sample, seed: int) -> tuple[Target, Similarity]:
    """The moved points, and the one similarity that moved them."""
    recorded = list(map(Recorded, augmentations))
    torch.manual_seed(seed)
    moved = Pipeline(recorded, TASKS)(sample)["points"]
    total = Similarity()
    for each in recorded:
        total = total.then(each.drawn)
    return moved, total


@given(chain=chains, size=sizes, seed=seeds)
@settings(max_examples=60)
def test_undone_every_point_is_back(chain: list[Geometric], size: Size, seed: int) -> None:
    sample = random_sample(size, seed)
    moved, total = apply(chain, sample, seed)
    back = POINTS.move(moved, inverse(total).view(size))
    assert (back.value - sample["points"].value).abs().max() < 1e-3
    assert torch.equal(back.valid, POINTS.move(moved, Similarity(mirrored=total.mirrored).view(size)).valid)


@given(chain=chains, size=sizes, seed=seeds)
@settings(max_examples=60)
def test_points_are_valid_where_they_are_in_the_picture(
    chain: list[Geometric], size: Size, seed: int
) -> None:
    moved, _ = apply(chain, random_sample(size, seed), seed)
    corner = moved.value.double() + 0.5
    outside = torch.maximum(-corner, corner - torch.tensor([size[1], size[0]])).amax(1)  # pixels
    assert not moved.valid[outside > 0.01].any()
    assert moved.valid[outside < -0.01].all()


@given(size=sizes, seed=seeds, degrees=st.floats(0, 180), before=chains, after=st.booleans())
@settings(max_examples=100)
def test_rotation_can_keep_every_point_in_the_picture(
    size: Size, seed: int, degrees: float, before: list[Geometric], after: bool
) -> None:
    """Whatever has moved them before; and no smaller than it must be."""
    keeping, sample = Rotate(degrees, keep_points=True), random_sample(size, seed)
    held, _ = apply(before, sample, seed)
    moved, _ = apply([*before, keeping, *[Flip(1, 0)] * after], sample, seed)
    kept = moved.valid[AFTER_A_FLIP] if after else moved.valid
    assert (kept | ~held.valid).all()
    turn = Recorded(keeping)
    torch.manual_seed(seed)
    Pipeline([turn], TASKS)(sample)
    assert turn.drawn.zoom <= 1
    if turn.drawn.zoom < 1:
        corner = turn.drawn.view(size).points(turn.places.double())
        edges = torch.stack([corner, torch.tensor([size[1], size[0]]) - corner])
        assert edges.min().item() == pytest.approx(0, abs=1e-3)


def test_rotation_keeps_the_places_of_all_tasks_and_no_others() -> None:
    """A box in the corner asks for more room than a point near the centre; maps ask for none."""
    size = (60, 90)
    tasks = {"points": POINTS, "box": BoxTask(TargetInfo("box")), "depth": DepthTask(TargetInfo("depth"))}
    sample = random_sample(size, 0) | {"depth": Target(torch.ones(1, *size))}
    sample["points"] = Target(torch.full((4, 2), 30.0), torch.tensor([True, False, False, False]))
    with_box = sample | {"box": Target(torch.tensor([-5.0, 1, 20, 20]))}  # beyond the edge: cut
    zooms = []
    for each in (sample, with_box):
        turn = Recorded(Rotate(45, keep_points=True))
        torch.manual_seed(1)
        moved = Pipeline([turn], tasks)(each)
        assert moved["points"].valid.tolist() == [True, False, False, False]
        assert bool(moved["box"].valid) == ("box" in each)
        zooms.append(turn.drawn.zoom)
        assert len(turn.places) == 1 + 4 * ("box" in each)
    assert zooms[0] == 1
    assert zooms[1] < 1
    corners = turn.drawn.view(size).points(torch.tensor([[0.0, 1], [20, 1], [20, 20], [0, 20]]))
    assert corners.min() > -1e-3
    assert (corners < torch.tensor([90.001, 60.001])).all()


@pytest.mark.parametrize("flip", [Flip(1, 0), Flip(0, 1), Flip(1, 1)])
def test_flips_equal_torchvisions_and_swap_left_and_right(flip: Flip) -> None:
    """Upside down, what was left is right, as in the mirror: a face has one left, and turning does not change it."""
    size = (33, 50)
    sample = random_sample(size, 3)
    expected = tv_tensors.KeyPoints(sample["points"].value, canvas_size=size)
    if flip.horizontal:
        expected = F.horizontal_flip(expected)
    if flip.vertical:
        expected = F.vertical_flip(expected)
    order = AFTER_A_FLIP if flip.horizontal != flip.vertical else [0, 1, 2, 3]
    moved, _ = apply([flip], sample, 0)
    torch.testing.assert_close(moved.value, expected.as_subclass(Tensor)[order], atol=1e-4, rtol=0)


@given(seed=seeds)
@settings(max_examples=20)
def test_what_has_left_before_a_photometric_one_never_comes_back(seed: int) -> None:
    """The picture is cut there: a point that a later shrinking brought back would stand on black."""
    size = (64, 48)
    sample = random_sample(size, seed, torch.ones(3, *size))
    near, far = ScaleCrop(3.0, 3.0), ScaleCrop(0.3, 0.3)
    torch.manual_seed(seed)
    cut = Pipeline([near], TASKS)(sample)["points"]
    torch.manual_seed(seed)
    moved = Pipeline([near, Blur(p=0), far], TASKS)(sample)
    assert torch.equal(moved["points"].valid, cut.valid)
    for (x, y), valid in zip(moved["points"].value.round().long().tolist(), cut.valid, strict=True):
        if valid:
            around = moved["image"][0, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            assert around.max() > 0.2  # the cut picture is white up to its edge


def picture_of_dots(places: Tensor, size: Size) -> Tensor:
    """A small Gaussian of a colour of its own, a channel, at each of three places (3, 2); (3, H, W)."""
    y, x = torch.meshgrid(*(torch.arange(side, dtype=torch.float64) for side in size), indexing="ij")
    squares = (x - places[:, 0, None, None]).square() + (y - places[:, 1, None, None]).square()
    return (-squares / (2 * 1.5**2)).exp().float()


@given(
    seed=seeds,
    size=st.sampled_from([(64, 64), (48, 90), (91, 50)]),
    chain=st.permutations([Flip(0.5, 0.5), Rotate(60, keep_points=True), ScaleCrop(0.7, 1.5)]),
    photometric=st.booleans(),
)
@settings(max_examples=60)
def test_dots_are_found_again_where_the_points_are(
    seed: int, size: Size, chain: list[Geometric], photometric: bool
) -> None:
    tasks = {"points": PointsTask(TargetInfo("points", names=("red", "green", "blue")))}
    shares = torch.rand(3, 2, generator=torch.Generator().manual_seed(seed))
    value = shares * (torch.tensor([size[1], size[0]]) - 1)
    sample = {"image": picture_of_dots(value, size), "points": Target(value), "name": "dots"}
    blurred = [Blur(0.8, 0.8, p=1), Color(0, 0, 0, 0, p=1)] * photometric
    moved = []
    for rest in ([], chain[2:]):
        torch.manual_seed(seed)
        moved.append(Pipeline([*chain[:2], *blurred, *rest], tasks)(sample))
    half_way, last = moved
    for channel, place, valid, *earlier in zip(
        last["image"].numpy(), *last["points"], half_way["points"].value, value, strict=True
    ):
        if valid and all(whole_dot_is_in_view(each, size) for each in (place, *earlier)):
            found = np.array(center_of_mass(np.where(channel > 0.05, channel, 0)))[::-1]
            assert math.dist(found, place.tolist()) < 0.5


def whole_dot_is_in_view(place: Tensor, size: Size) -> bool:
    return bool(torch.cat([place, torch.tensor([size[1] - 1, size[0] - 1]) - place]).min() > 8)
