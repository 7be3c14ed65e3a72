"""Geometric augmentations: image, targets and valid masks move together, as other libraries would move them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import binary_erosion
from skimage.transform import warp
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import functional as F

from cnnlib.augmentations import Flip, Geometric, Pipeline, Rotate, ScaleCrop, Similarity
from cnnlib.tasks import DepthTask, MaskTask
from cnnlib.types import Sample, Target, TargetInfo

NO_PLACES = torch.zeros(0, 2)
TASKS = {"mask": MaskTask(TargetInfo("mask")), "depth": DepthTask(TargetInfo("depth"))}

similarities = st.builds(
    Similarity,
    mirrored=st.booleans(),
    angle=st.floats(-180, 180),
    zoom=st.floats(0.6, 1.7),
    shift=st.tuples(st.floats(-4, 4), st.floats(-4, 4)),
)


class Fixed(Geometric):
    """Always the same similarity."""

    def __init__(self, similarity: Similarity) -> None:
        self.similarity = similarity

    def draw(self, height: int, width: int, places: Tensor) -> Similarity:
        return self.similarity


def random_sample(height: int = 16, width: int = 16, seed: int = 0) -> Sample:
    generator = torch.Generator().manual_seed(seed)
    return {
        "image": torch.rand(6, height, width, generator=generator),
        "mask": Target((torch.rand(1, height, width, generator=generator) > 0.5).float()),
        "depth": Target(
            torch.rand(1, height, width, generator=generator) * 8 + 1,
            torch.rand(1, height, width, generator=generator) > 0.2,
        ),
        "name": "sample",
    }


def pairs(sample: Sample, moved: Sample) -> list[tuple[Tensor, Tensor]]:
    """Image, mask, depth and the depth's valid mask, before and after."""
    return [
        (sample["image"], moved["image"]),
        (sample["mask"].value, moved["mask"].value),
        *zip(sample["depth"], moved["depth"], strict=True),
    ]


def coordinates(height: int, width: int) -> tuple[Tensor, Tensor]:
    """x and y of each pixel, in [0, 1], (1, H, W) each."""
    y, x = torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij")
    return x[None], y[None]


def matrix(similarity: Similarity) -> np.ndarray:
    """The similarity as a homogeneous matrix, written down from its definition."""
    cos, sin = math.cos(math.radians(similarity.angle)), math.sin(math.radians(similarity.angle))
    rotation = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    zoom = np.diag([similarity.zoom, similarity.zoom, 1])
    mirror = np.diag([-1 if similarity.mirrored else 1, 1, 1])
    shift = np.eye(3)
    shift[:2, 2] = similarity.shift
    return shift @ zoom @ rotation @ mirror


@given(seed=st.integers(0, 10_000), height=st.integers(12, 40), width=st.integers(12, 40))
@settings(max_examples=40)
def test_targets_stay_on_what_the_image_shows(seed: int, height: int, width: int) -> None:
    x, y = coordinates(height, width)
    tasks = {"x": MaskTask(TargetInfo("mask")), "y": MaskTask(TargetInfo("mask"))}
    sample = {"image": torch.cat([x, y, x, x, y, x]), "x": Target(x), "y": Target(y), "name": "coordinates"}
    torch.manual_seed(seed)
    moved = Pipeline([Flip(0.5, 0.5), Rotate(40), ScaleCrop(0.6, 1.7)], tasks)(sample)
    # At the border of the view the image is mixed with the black outside.
    inside = binary_erosion(moved["x"].valid[0].numpy(), iterations=3)
    for channel, name, pixels in ((0, "x", width), (1, "y", height)):
        off = (moved["image"][channel] - moved[name].value[0]).abs().numpy()[inside] * (pixels - 1)
        assert off.max(initial=0) <= 0.51  # nearest neighbour is half a pixel off at most
    assert torch.equal(moved["image"][:3], moved["image"][3:])


@given(similarity=similarities)
@settings(max_examples=30)
def test_similarity_is_what_skimage_makes_of_its_matrix(similarity: Similarity) -> None:
    height, width = 24, 30
    y, x = np.mgrid[:height, :width]
    image = 0.5 + 0.25 * np.sin(x / 3) + 0.25 * np.cos(y / 4)
    from_center = np.array([[1, 0, (width - 1) / 2], [0, 1, (height - 1) / 2], [0, 0, 1]])
    total = from_center @ matrix(similarity) @ np.linalg.inv(from_center)
    expected = warp(image, np.linalg.inv(total), order=1, cval=np.nan, preserve_range=True)
    sample = {"image": torch.from_numpy(image).float().expand(3, -1, -1).contiguous(), "name": "wave"}
    moved = Pipeline([Fixed(similarity)], {})(sample)["image"][0].numpy()
    inside = np.isfinite(expected)
    np.testing.assert_allclose(moved[inside], expected[inside], atol=1e-4)


@given(first=similarities, second=similarities)
def test_a_chain_of_similarities_is_the_product_of_their_matrices(
    first: Similarity, second: Similarity
) -> None:
    np.testing.assert_allclose(matrix(first.then(second)), matrix(second) @ matrix(first), atol=1e-9)


def test_a_chain_interpolates_once() -> None:
    sample = random_sample()
    there_and_back = [Fixed(Similarity(angle=33, zoom=1.3)), Fixed(Similarity(angle=-33, zoom=1 / 1.3))]
    moved = Pipeline(there_and_back, TASKS)(sample)
    torch.testing.assert_close(moved["image"], sample["image"], atol=1e-4, rtol=0)
    assert torch.equal(moved["mask"].value, sample["mask"].value)


@pytest.mark.parametrize(
    ("flip", "axes"), [(Flip(1, 0), [-1]), (Flip(0, 1), [-2]), (Flip(1, 1), [-2, -1]), (Flip(0, 0), [])]
)
def test_flip_equals_torch_flip(flip: Flip, axes: list[int]) -> None:
    sample = random_sample(9, 14)
    moved = Pipeline([flip], TASKS)(sample)
    for before, after in pairs(sample, moved):
        assert torch.equal(after, torch.flip(before, axes))
    assert moved["mask"].valid.all()


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_quarter_turns_equal_torch_rot90(quarters: int) -> None:
    sample = random_sample()
    moved = Pipeline([Fixed(Similarity(angle=90 * quarters))], TASKS)(sample)
    for before, after in pairs(sample, moved):
        assert torch.equal(after, torch.rot90(before, -quarters, (-2, -1)))  # clockwise


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_masks_stay_binary_and_depths_keep_their_values(seed: int) -> None:
    sample = random_sample(17, 23, seed)
    torch.manual_seed(seed)
    moved = Pipeline([Flip(), Rotate(30)], TASKS)(sample)
    assert set(moved["mask"].value.unique().tolist()) <= {0.0, 1.0}
    before, after = (target.value[target.valid] for target in (sample["depth"], moved["depth"]))
    assert torch.isin(after, before).all()


@pytest.mark.parametrize("zoom", [0.5, 2.0])
def test_zoom_divides_depth_and_magnifies_what_is_seen(zoom: float) -> None:
    mask = torch.zeros(1, 64, 64)
    mask[:, 24:40, 24:40] = 1
    sample = {
        "image": torch.rand(3, 64, 64),
        "mask": Target(mask),
        "depth": Target(torch.full((1, 64, 64), 4.0)),
        "name": "s",
    }
    similarity = Similarity(zoom=zoom)
    moved = Pipeline([Fixed(similarity)], TASKS)(sample)
    assert torch.equal(moved["depth"].value[moved["depth"].valid].unique(), torch.tensor([4.0 / zoom]))
    assert moved["mask"].value.sum().item() == pytest.approx(16 * 16 * zoom**2, rel=0.01)
    assert moved["depth"].valid.float().mean().item() == pytest.approx(min(1, zoom) ** 2, rel=0.01)


def test_scale_crop_fills_the_frame_zoomed_in_and_keeps_the_picture_zoomed_out() -> None:
    sample = random_sample(40, 60)
    for seed in range(20):
        torch.manual_seed(seed)
        near = Pipeline([ScaleCrop(1.0, 2.0)], TASKS)(sample)
        assert near["mask"].valid.all()
        far = Pipeline([ScaleCrop(0.5, 0.5)], TASKS)(sample)
        assert far["mask"].valid.float().mean().item() == pytest.approx(0.25, abs=0.03)
        assert (far["image"][:, ~far["mask"].valid[0]].mean() < 0.1).item()


def test_zoom_factors_and_angles_cover_their_range_and_no_more() -> None:
    torch.manual_seed(0)
    zooms = [ScaleCrop(0.5, 2.0).draw(8, 8, NO_PLACES).zoom for _ in range(300)]
    assert 0.5 <= min(zooms) < 0.55
    assert 1.8 < max(zooms) <= 2.0
    assert abs(np.mean(np.log(zooms))) < 0.1  # as often in as out
    angles = [Rotate(20).draw(8, 8, NO_PLACES).angle for _ in range(300)]
    assert -20 <= min(angles) < -18
    assert 18 < max(angles) <= 20
    assert sum(Rotate(20, p=0.25).draw(8, 8, NO_PLACES) == Similarity() for _ in range(300)) == pytest.approx(
        225, abs=30
    )


def test_what_comes_in_from_outside_is_invalid_and_black() -> None:
    sample = random_sample(32, 32)
    sample["image"].fill_(1.0)
    sample["depth"].valid.fill_(True)
    moved = Pipeline([Fixed(Similarity(angle=45))], TASKS)(sample)
    for corner in ((0, 0), (0, -1), (-1, 0), (-1, -1)):
        assert not moved["mask"].valid[0][corner]
        assert not moved["depth"].valid[0][corner]
        assert (moved["image"][:, corner[0], corner[1]] == 0).all()
    assert moved["mask"].valid[0, 16, 16]


def test_invalid_pixels_move_with_their_target() -> None:
    sample = random_sample(30, 30)
    value, valid = sample["depth"]
    sample["depth"] = Target(torch.where(valid, value, -1.0), valid)  # marks what is invalid
    torch.manual_seed(3)
    moved = Pipeline([Flip(), Rotate(30), ScaleCrop()], TASKS)(sample)
    value, valid = moved["depth"]
    assert (value[valid] > 0).all()
    assert (value[~valid] <= 0).all()


@pytest.mark.parametrize("augmentation", [Flip(1, 1), Rotate(45), ScaleCrop(0.5, 2)])
def test_a_constant_stays_constant_where_valid(augmentation: Geometric) -> None:
    sample = {"image": torch.full((6, 40, 40), 0.625), "mask": Target(torch.ones(1, 40, 40)), "name": "flat"}
    torch.manual_seed(1)
    moved = Pipeline([augmentation], TASKS)(sample)
    inside = torch.from_numpy(binary_erosion(moved["mask"].valid[0].numpy(), iterations=2, border_value=1))
    torch.testing.assert_close(moved["image"][:, inside], torch.full((6, int(inside.sum())), 0.625))
    assert (moved["mask"].value[moved["mask"].valid] == 1).all()


@given(similarity=similarities)
@settings(max_examples=50)
def test_points_move_as_the_matrix_says_and_land_where_the_picture_shows_them(similarity: Similarity) -> None:
    height, width = 41, 60
    view = similarity.view((height, width))
    pixels = torch.tensor(
        [[10.0, 7.0], [30.0, 20.0], [44.0, 31.0]]
    )  # centres of pixels, (0, 0) at the first's centre
    corner = pixels.double() + 0.5
    from_center = np.array([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1]])
    total = from_center @ matrix(similarity) @ np.linalg.inv(from_center)
    expected = (total @ np.append(corner.numpy(), np.ones((3, 1)), axis=1).T).T[:, :2]
    moved = view.points(corner)
    np.testing.assert_allclose(moved.numpy(), expected, atol=1e-9)
    for index, (x, y) in enumerate(pixels.long().tolist()):
        dots = torch.zeros(1, height, width)
        dots[0, max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = 1
        seen = view.warp(dots)[0].nonzero().double()
        at = moved[index] - 0.5
        if ((at > 5) & (at < torch.tensor([width - 6, height - 6]))).all():
            # Half a pixel, and a little more where pixels lie on the edge of a turned square.
            assert (seen.mean(0).flip(0) - at).abs().max() < 0.6


@given(similarity=similarities, seed=st.integers(0, 100))
@settings(max_examples=30)
def test_maps_of_every_dtype_are_warped_as_torchvision_warps_masks(similarity: Similarity, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    maps = torch.randint(1, 200, (2, 19, 27), generator=generator)
    expected = maps.float()
    if similarity.mirrored:
        expected = expected.flip(-1)
    expected = F.affine(
        tv_tensors.Mask(expected), similarity.angle, list(similarity.shift), similarity.zoom, [0.0, 0.0]
    )
    view = similarity.view((19, 27))
    for dtype in (torch.int64, torch.uint8, torch.float32):
        moved = view.warp(maps.to(dtype))
        assert moved.dtype == dtype
        assert torch.equal(moved.float(), expected.as_subclass(Tensor))
    assert torch.equal(view.warp(maps > 0), expected.as_subclass(Tensor) > 0)
