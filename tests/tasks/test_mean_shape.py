"""The mean shape, against scikit-image's and SciPy's fits."""

from __future__ import annotations

import numpy as np
import torch
from scipy.spatial import procrustes
from skimage.transform import SimilarityTransform

from cnnlib.tasks.mean_shape import mean_shape

RANDOM = np.random.default_rng(0)
BASE = RANDOM.random((7, 2)) * [60, 90]


def moved(shape: np.ndarray, turn: float) -> np.ndarray:
    """Anywhere, of any size, turned by about ``turn``."""
    angle = turn + RANDOM.normal(0, 0.2)
    place = SimilarityTransform(
        scale=RANDOM.uniform(0.5, 3), rotation=angle, translation=RANDOM.random(2) * 99
    )
    return place(shape)


def test_one_shape_wherever_it_is_seen_is_the_mean() -> None:
    """Also where points are hidden, a different one in each shape; the factors bring each to its size."""
    shapes = torch.tensor(np.stack([moved(BASE, 0.0) for _ in range(30)]))
    valid = torch.ones(30, 7, dtype=torch.bool)
    valid[range(5), range(5)] = False
    shapes[~valid] = torch.nan
    mean, factors = mean_shape(shapes, valid)
    fit = SimilarityTransform.from_estimate(BASE, mean.numpy())
    np.testing.assert_allclose(fit(BASE), mean, atol=1e-9)
    assert abs(fit.rotation) < 0.15  # as they are on average: 0 ± 0.2 / √30
    for shape, factor in zip(shapes[5:], factors[5:], strict=True):
        own = SimilarityTransform.from_estimate(shape.numpy(), mean.numpy())
        np.testing.assert_allclose(own.scale, factor, rtol=1e-9)
    np.testing.assert_allclose((mean.amax(0) - mean.amin(0)).norm(), 1)
    np.testing.assert_allclose((mean.amax(0) + mean.amin(0)), 0, atol=1e-9)


def test_a_mirrored_shape_is_another_shape() -> None:
    shapes = np.stack([BASE, BASE * [-1, 1]])
    mean, _ = mean_shape(torch.tensor(shapes), torch.ones(2, 7, dtype=torch.bool))
    _, _, disparity = procrustes(BASE, mean.numpy())  # which may reflect
    assert disparity > 0.01


def test_noise_averages_out() -> None:
    """As far as SciPy's fit to the noise-free shape tells: 400 shapes are 20 times nearer than one."""
    noisy = np.stack([moved(BASE + RANDOM.normal(0, 2, BASE.shape), 0.0) for _ in range(400)])
    mean, _ = mean_shape(torch.tensor(noisy), torch.ones(400, 7, dtype=torch.bool))
    alone = np.mean([procrustes(BASE, one)[2] for one in noisy])
    assert procrustes(BASE, mean.numpy())[2] < alone / 100


def test_a_shape_with_less_than_two_points_has_no_size() -> None:
    shapes = torch.tensor(np.stack([moved(BASE, 0.0) for _ in range(3)]))
    valid = torch.ones(3, 7, dtype=torch.bool)
    valid[1, 1:] = False
    valid[:, 6] = False
    mean, factors = mean_shape(shapes, valid)
    assert factors.isnan().tolist() == [False, True, False]
    assert mean.isnan().any(1).tolist() == [False] * 6 + [True]
