"""Means and deviations over pixels, against two passes in float64 over all pixels at once."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.datasets.statistics import ChannelStatistics, channel_statistics

SIZES = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12)


def two_passes(images: list[torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    pixels = np.concatenate([image.numpy().reshape(len(image), -1) for image in images], axis=1)
    return pixels.mean(1, dtype=np.float64), pixels.std(1, dtype=np.float64)


@given(
    sizes=SIZES,
    channels=st.integers(1, 6),
    offset=st.sampled_from([0.0, 0.9, 100.0]),
    seed=st.integers(0, 99),
)
def test_one_pass_is_exact(sizes: list[tuple[int, int]], channels: int, offset: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    images = [offset + 0.1 * torch.rand(channels, *size, generator=generator) for size in sizes]
    mean, std = two_passes(images)
    found = channel_statistics(iter(images))
    np.testing.assert_allclose(found.mean, mean, rtol=1e-9)
    np.testing.assert_allclose(found.std, std, rtol=1e-6, atol=1e-12)
    assert found.pixels == sum(height * width for height, width in sizes)


def test_small_differences_of_many_bright_images_are_kept() -> None:
    """Sums of squares less squared sums, in float32, would give noise."""
    generator = torch.Generator().manual_seed(0)
    images = [0.95 + 1e-5 * torch.randn(3, 40, 50, generator=generator) for _ in range(200)]
    np.testing.assert_allclose(channel_statistics(images).std, two_passes(images)[1], rtol=1e-6)


def test_the_deviation_is_that_of_pixels_and_not_the_mean_of_the_images_deviations() -> None:
    found = channel_statistics([torch.zeros(1, 4, 4), torch.ones(1, 2, 8)])
    assert found.mean == [0.5]
    assert found.std == [0.5]


def test_images_of_one_value_have_no_deviation() -> None:
    found = channel_statistics([torch.full((3, 5, 5), 0.3)] * 7)
    np.testing.assert_allclose(found.mean, 0.3, rtol=1e-7)
    np.testing.assert_allclose(found.std, 0, atol=1e-12)


def test_nothing_seen() -> None:
    assert (ChannelStatistics().mean, ChannelStatistics().std, ChannelStatistics().pixels) == ([], [], 0)
