from __future__ import annotations

import numpy as np
import pytest
import torch
from kornia.metrics import ssim as kornia_ssim
from scipy import ndimage
from skimage.metrics import structural_similarity
from torch import Tensor
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from cnnlib.losses import ms_ssim_loss, ssim_loss
from cnnlib.losses.ssim import similarity_maps

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def picture(seed: int, size: tuple[int, int], batch: int = 2) -> tuple[Tensor, Tensor]:
    """A smooth target in [0, 1] and a noisy prediction of it."""
    noise = np.random.default_rng(seed).random((batch, 1, *size))
    target = ndimage.gaussian_filter(noise, (0, 0, 2, 2))
    target = (target - target.min()) / np.ptp(target)
    pred = np.clip(target + 0.3 * (np.random.default_rng(seed + 1).random(target.shape) - 0.4), 0, 1)
    return torch.from_numpy(pred).float(), torch.from_numpy(target).float()


def maps_by_hand(
    pred: np.ndarray, target: np.ndarray, valid: np.ndarray, peak: float, sigma: float
) -> tuple[np.ndarray, np.ndarray]:
    """The two factors of one image (H, W) in float64, with SciPy's Gaussian over valid pixels."""

    def local(values: np.ndarray) -> np.ndarray:
        def blur(image: np.ndarray) -> np.ndarray:
            return ndimage.gaussian_filter(image.astype(float), sigma, mode="constant", truncate=3.5)

        return blur(np.where(valid, values, 0)) / np.where(valid, blur(valid), 1)

    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_p, mean_t = local(pred), local(target)
    var_p, var_t = local(pred**2) - mean_p**2, local(target**2) - mean_t**2
    covariance = local(pred * target) - mean_p * mean_t
    luminance = (2 * mean_p * mean_t + c1) / (mean_p**2 + mean_t**2 + c1)
    return luminance, (2 * covariance + c2) / (var_p + var_t + c2)


def test_the_interior_equals_scikit_image() -> None:
    pred, target = picture(0, (40, 33))
    everywhere = torch.ones_like(target, dtype=torch.bool)
    luminance, structure = similarity_maps(pred, target, everywhere, 1.0, 1.5)
    for i in range(2):
        _, expected = structural_similarity(
            target[i, 0].numpy(),
            pred[i, 0].numpy(),
            data_range=1.0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            full=True,
        )
        ours = (luminance * structure)[i, 0, 5:-5, 5:-5].numpy()
        np.testing.assert_allclose(ours, expected[5:-5, 5:-5], atol=1e-4)


def test_the_interior_equals_kornia_in_metres() -> None:
    pred, target = (10 * image for image in picture(1, (40, 33)))
    everywhere = torch.ones_like(target, dtype=torch.bool)
    luminance, structure = similarity_maps(pred, target, everywhere, 10.0, 1.5)
    expected = kornia_ssim(pred, target, window_size=11, max_val=10.0, padding="valid")
    torch.testing.assert_close((luminance * structure)[..., 5:-5, 5:-5], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0])
@pytest.mark.parametrize("size", [(30, 23), (7, 9), (1, 6)])
def test_borders_and_valid_masks_equal_the_formula(sigma: float, size: tuple[int, int]) -> None:
    pred, target = picture(2, size)
    valid = torch.rand(target.shape, generator=torch.Generator().manual_seed(0)) > 0.3
    expected, count = 0.0, 0
    for p, t, inside in zip(pred[:, 0].double(), target[:, 0].double(), valid[:, 0], strict=True):
        luminance, structure = maps_by_hand(p.numpy(), t.numpy(), inside.numpy(), 2.0, sigma)
        expected += (1 - luminance * structure)[inside.numpy()].sum()
        count += int(inside.sum())
    loss = ssim_loss(pred, target, valid, data_range=2.0, sigma=sigma)
    assert loss.item() == pytest.approx(expected / count, abs=1e-5)


@pytest.mark.parametrize(("size", "scales"), [(176, 5), (96, 4), (41, 3), (22, 2), (20, 1), (9, 1)])
@pytest.mark.parametrize("valid_share", [1.0, 0.6])
def test_ms_ssim_equals_the_formula_with_the_scales_that_fit(
    size: int, scales: int, valid_share: float
) -> None:
    pred, target = picture(3, (size, size + 4))
    valid = torch.rand(target.shape, generator=torch.Generator().manual_seed(0)) < valid_share
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    expected = []
    for p, t, inside in zip(
        pred[:, 0].double().numpy(), target[:, 0].double().numpy(), valid[:, 0], strict=True
    ):
        inside = inside.numpy()
        similarity = 1.0
        for scale, weight in enumerate(weights):
            luminance, structure = maps_by_hand(p, t, inside, 1.0, 1.5)
            factor = luminance * structure if scale == scales - 1 else structure
            similarity *= factor[inside].mean() ** weight
            p, t, inside = halve(p, inside), halve(t, inside), halve(inside, inside) > 0
        expected.append(1 - similarity)
    loss = ms_ssim_loss(pred, target, valid, data_range=1.0)
    assert loss.item() == pytest.approx(np.mean(expected), abs=1e-5)


def halve(image: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Means of the valid pixels in 2 x 2 blocks, 0 where none is; an odd last row or column is doubled."""

    def block_sums(values: np.ndarray) -> np.ndarray:
        even = np.pad(values.astype(float), [(0, side % 2) for side in values.shape], mode="edge")
        return even.reshape(even.shape[0] // 2, 2, even.shape[1] // 2, 2).sum(axis=(1, 3))

    return block_sums(np.where(valid, image, 0)) / np.maximum(block_sums(valid), 1)


def test_ms_ssim_is_near_torchmetrics_which_reflects_the_border() -> None:
    pred, target = picture(4, (352, 352), batch=1)
    theirs = 1 - multiscale_structural_similarity_index_measure(pred, target, data_range=1.0)
    ours = ms_ssim_loss(pred, target, data_range=1.0)
    torch.testing.assert_close(ours, theirs, rtol=0.1, atol=0)
    assert ours > 0.01


def test_one_opposite_scale_does_not_hide_the_others() -> None:
    """Fine structure is inverted, so its similarity is negative; a wrong coarse structure must still show."""
    _, coarse = picture(8, (48, 48))
    fine = 0.4 * (torch.arange(48).view(48, 1) + torch.arange(48)).remainder(2) - 0.2
    target = coarse + fine
    pred = (coarse.flip(-1) - fine).requires_grad_()
    loss = ms_ssim_loss(pred, target, data_range=1.0)
    (slope,) = torch.autograd.grad(loss, pred)
    assert loss > ms_ssim_loss(coarse - fine, target, data_range=1.0) + 0.05
    assert slope.abs().sum() > 1e-3


def test_the_data_range_is_that_of_each_image() -> None:
    pred, target = picture(5, (24, 24))
    scale = torch.tensor([1.0, 7.0]).view(2, 1, 1, 1) / target.amax(dim=(1, 2, 3), keepdim=True)
    each = [
        ssim_loss(scale[i] * pred[i : i + 1], scale[i] * target[i : i + 1], data_range=peak)
        for i, peak in enumerate((1.0, 7.0))
    ]
    torch.testing.assert_close(ssim_loss(scale * pred, scale * target), torch.stack(each).mean())


def test_the_data_range_makes_it_free_of_units() -> None:
    pred, target = picture(6, (24, 24))
    in_metres, in_millimetres = ssim_loss(pred, target), ssim_loss(1000 * pred, 1000 * target)
    torch.testing.assert_close(in_millimetres, in_metres, rtol=1e-4, atol=0)


def test_opposite_structure_costs_most_and_has_a_finite_gradient() -> None:
    _, target = picture(7, (48, 48))
    opposite = (1 - target).requires_grad_()
    for loss in (ssim_loss, ms_ssim_loss):
        value = loss(opposite, target, data_range=1.0)
        (slope,) = torch.autograd.grad(value, opposite)
        assert value > 0.9
        assert slope.isfinite().all()
