"""Photometric augmentations: against other libraries, alike in both halves, and never on a target."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from skimage.color import rgb2yiq
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from cnnlib.augmentations import Blur, Color, Cutout, Noise, Photometric, Pipeline
from cnnlib.augmentations.color import recolor
from cnnlib.tasks import DepthTask, MaskTask
from cnnlib.types import CnnlibError, Target, TargetInfo

TASKS = {"mask": MaskTask(TargetInfo("mask")), "depth": DepthTask(TargetInfo("depth"))}

ALL = [Cutout(p=1), Color(p=1), Noise(p=1), Blur(p=1)]


class Custom(Photometric):
    """Outside code: whatever ``function`` does."""

    name = "custom"
    p = 1.0

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        self.function = function

    def alter(self, images: Tensor) -> Tensor:
        return self.function(images)


@pytest.mark.parametrize("augmentation", ALL, ids=lambda a: a.name)
def test_targets_are_not_touched(augmentation: Photometric) -> None:
    sample = {
        "image": torch.rand(6, 20, 20),
        "mask": Target((torch.rand(1, 20, 20) > 0.5).float()),
        "depth": Target(torch.rand(1, 20, 20) + 1),
        "name": "s",
    }
    changed = Pipeline([augmentation], TASKS)(sample)
    for name in TASKS:
        assert torch.equal(changed[name].value, sample[name].value)
        assert changed[name].valid.all()
    assert not torch.equal(changed["image"], sample["image"])


@pytest.mark.parametrize("augmentation", ALL, ids=lambda a: a.name)
def test_the_given_image_is_not_changed_in_place(augmentation: Photometric) -> None:
    image = torch.rand(6, 12, 12)
    before = image.clone()
    augmentation(image)
    assert torch.equal(image, before)


@pytest.mark.parametrize("augmentation", [Cutout(p=1), Color(p=1), Blur(p=1)], ids=lambda a: a.name)
def test_equal_halves_stay_equal(augmentation: Photometric) -> None:
    half = torch.rand(3, 24, 24)
    changed = augmentation(torch.cat([half, half]))
    assert torch.equal(changed[:3], changed[3:])


@pytest.mark.parametrize("kind", [Cutout, Color, Noise, Blur])
def test_probability_is_heeded(kind: type[Photometric]) -> None:
    image = torch.rand(3, 12, 12)
    assert torch.equal(kind(p=0.0)(image), image)
    torch.manual_seed(0)
    changed = sum(not torch.equal(kind(p=0.3)(image), image) for _ in range(200))
    assert changed == pytest.approx(60, abs=25)


@pytest.mark.parametrize("shape", [(3, 1, 1), (6, 1, 7), (3, 2, 3), (9, 5, 4)])
@pytest.mark.parametrize("augmentation", ALL, ids=lambda a: a.name)
def test_any_size_and_number_of_images(augmentation: Photometric, shape: tuple[int, int, int]) -> None:
    changed = augmentation(torch.rand(shape))
    assert changed.shape == shape
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_custom_code_sees_images_only() -> None:
    seen = []
    Pipeline([Custom(lambda images: seen.append(images) or images)], TASKS)(
        {"image": torch.rand(6, 8, 9), "mask": Target(torch.ones(1, 8, 9)), "name": "s"}
    )
    assert [images.shape for images in seen] == [(2, 3, 8, 9)]
    assert type(seen[0]) is Tensor


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda images: images[..., :-1], "alter must return"),
        (lambda images: images.double(), "alter must return"),
        (lambda images: images + 1, r"stay in \[0, 1\]"),
        (lambda images: images - 1, r"stay in \[0, 1\]"),
        (lambda images: images * float("nan"), r"stay in \[0, 1\]"),
    ],
)
def test_broken_custom_code_is_told(function: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(CnnlibError, match=message):
        Custom(function)(torch.rand(6, 8, 8))


def test_channels_must_come_in_threes() -> None:
    with pytest.raises(CnnlibError, match=r"^noise: the image needs 3 channels, or 6, \.\.\.; it has 4$"):
        Noise()(torch.rand(4, 8, 8))


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ((1.3, 1, 1, 0), lambda image: F.adjust_brightness(image, 1.3)),
        ((1, 0.6, 1, 0), lambda image: F.adjust_contrast(image, 0.6)),
        ((1, 1, 0.4, 0), lambda image: F.adjust_saturation(image, 0.4)),
    ],
    ids=["brightness", "contrast", "saturation"],
)
def test_color_equals_torchvision(factors: tuple[float, ...], expected: Callable[[Tensor], Tensor]) -> None:
    image = torch.rand(6, 16, 16) * 0.25 + 0.2
    image[3:] += 0.2
    changed = recolor(image.unflatten(0, (2, 3)), *factors).flatten(0, 1)
    as_one_picture = expected(torch.cat([image[:3], image[3:]], dim=1))
    both = torch.cat(as_one_picture.chunk(2, dim=1))
    torch.testing.assert_close(changed, both, atol=1e-3, rtol=0)  # theirs rounds the luma's weights


def test_hue_turns_the_colors_and_keeps_luma_and_saturation() -> None:
    image = torch.rand(3, 16, 16) * 0.3 + 0.35
    turned_image = recolor(image[None], 1.0, 1.0, 1.0, 0.1)[0]
    before, after = (
        rgb2yiq(picture.permute(1, 2, 0).numpy().astype(np.float64)) for picture in (image, turned_image)
    )
    np.testing.assert_allclose(after[..., 0], before[..., 0], atol=1e-3)
    turned = (before[..., 1] + 1j * before[..., 2]) * np.exp(2j * np.pi * 0.1)
    np.testing.assert_allclose(after[..., 1] + 1j * after[..., 2], turned, atol=1e-3)


def test_gray_keeps_gray_under_hue_and_saturation() -> None:
    image = torch.rand(1, 16, 16).expand(3, -1, -1).contiguous()
    changed = Color(brightness=0, contrast=0, saturation=1, hue=0.5, p=1)(image)
    torch.testing.assert_close(changed, image, atol=1e-5, rtol=0)


def test_color_is_one_function_of_color_for_both_halves() -> None:
    half = torch.rand(3, 400)
    order = torch.randperm(400)
    image = torch.cat([half, half[:, order]]).view(6, 20, 20)
    image[3:, 10:] *= 0.5  # the second half is darker on the whole, so that its own mean would differ
    changed = Color(p=1, contrast=1.0)(image)
    same = order[:200]
    torch.testing.assert_close(changed[3:].flatten(1)[:, :200], changed[:3].flatten(1)[:, same])


def test_noise_is_independent_in_every_pixel_and_half() -> None:
    torch.manual_seed(0)
    image = torch.full((6, 64, 64), 0.5)
    noise = (Noise(std=0.05, p=1)(image) - 0.5).flatten(1)
    assert noise.std() <= 0.055
    assert noise.mean().abs() < 1e-3
    correlation = torch.corrcoef(noise) - torch.eye(6)
    assert correlation.abs().max() < 0.07
    neighbours = torch.corrcoef(torch.stack([noise[0, :-1], noise[0, 1:]]))[0, 1]
    assert neighbours.abs() < 0.07


def test_noise_varies_in_strength_up_to_its_limit() -> None:
    torch.manual_seed(0)
    stds = [(Noise(std=0.1, p=1)(torch.full((3, 32, 32), 0.5)) - 0.5).std().item() for _ in range(100)]
    assert min(stds) < 0.01
    assert 0.09 < max(stds) < 0.104


def test_blur_equals_scipy() -> None:
    image = torch.rand(6, 20, 24)
    expected = [gaussian_filter(channel.numpy(), 1.0, mode="mirror", radius=3) for channel in image]
    changed = Blur(min_sigma=1.0, max_sigma=1.0, p=1)(image)
    np.testing.assert_allclose(changed.numpy(), np.stack(expected), atol=1e-5)


def test_blur_keeps_a_constant() -> None:
    image = torch.full((3, 9, 9), 1.0)
    torch.testing.assert_close(Blur(p=1)(image), image)


def test_cutout_hides_one_rectangle_of_its_size_in_all_channels() -> None:
    image = torch.rand(6, 40, 20)
    changed = Cutout(size=0.25, p=1)(image)
    hidden = (changed == 0.5).all(dim=0)
    rows, columns = hidden.any(dim=1), hidden.any(dim=0)
    assert (rows.sum(), columns.sum(), hidden.sum()) == (10, 5, 50)
    assert torch.equal(changed[:, ~hidden], image[:, ~hidden])


def test_cutout_reaches_every_corner() -> None:
    torch.manual_seed(0)
    hidden = torch.zeros(8, 8, dtype=torch.bool)
    for _ in range(200):
        hidden |= Cutout(size=0.25, p=1)(torch.zeros(3, 8, 8))[0] == 0.5
    assert hidden.all()
    assert (Cutout(holes=200, size=0.25, p=1)(torch.zeros(3, 8, 8)) == 0.5).all()
