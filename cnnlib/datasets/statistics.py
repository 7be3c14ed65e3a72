"""Mean and standard deviation of images over their pixels, in one pass."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


class ChannelStatistics:
    """Of each channel, over all pixels of all images, whatever their sizes; memory does not grow with their number.

    Sums of squares around each image's own mean are joined in float64, after Chan, Golub and LeVeque, Updating Formulae
    and a Pairwise Algorithm for Computing Sample Variances, 1979: no small difference of large sums is ever taken. (The
    mean of the images' deviations is another number: it misses how the images differ from each other.)
    """

    def __init__(self) -> None:
        self.pixels = 0
        self._mean = self._squares = torch.zeros(0, dtype=torch.float64)

    def add(self, image: Tensor) -> None:
        """An image (C, H, W)."""
        values = image.double().flatten(1)
        count, mean = values.shape[1], values.mean(1)
        squares = (values - mean[:, None]).square().sum(1)
        if not self.pixels:
            self.pixels, self._mean, self._squares = count, mean, squares
            return
        total, apart = self.pixels + count, mean - self._mean
        self._mean = self._mean + apart * (count / total)
        self._squares = self._squares + squares + apart.square() * (self.pixels * count / total)
        self.pixels = total

    @property
    def mean(self) -> list[float]:
        """(C,)"""
        return self._mean.tolist()

    @property
    def std(self) -> list[float]:
        """(C,), of the pixels as a population: divided by their number."""
        return (self._squares / max(1, self.pixels)).sqrt().tolist()


def channel_statistics(images: Iterable[Tensor]) -> ChannelStatistics:
    statistics = ChannelStatistics()
    for image in images:
        statistics.add(image)
    return statistics
