"""The two kinds of augmentation. There is no third."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from cnnlib.augmentations.parameters import Probability, happens
from cnnlib.augmentations.similarity import Similarity
from cnnlib.types import CnnlibError


class Geometric(ABC):
    """Moves the view. It says how, as data; the pipeline moves image, targets and valid masks alike.

    A geometric augmentation never holds an image or a target, so it has no way to treat one entry of a sample, or one
    half of a six-channel image, apart from the rest.
    """

    @abstractmethod
    def draw(self, height: int, width: int, places: Tensor) -> Similarity:
        """The transform of one sample of this size, its parameters drawn from torch's global generator.

        Args:
            places: where the sample's points and boxes' corners are now, (n, 2), x and y in pixels with (0, 0) at the
                corner of the image; those that have left it are not among them.
        """


class Photometric(ABC):
    """Changes the look of the image, and never sees a target."""

    name: ClassVar[str]
    """The name in ``AUGMENTATIONS``, for messages."""
    p: Probability
    """That a sample is changed at all."""

    @abstractmethod
    def alter(self, images: Tensor) -> Tensor:
        """The images of one sample, float32 (N, 3, H, W) in [0, 1], changed; not in place.

        Parameters are drawn once and hold for all N images, for these show one view.
        """

    def __call__(self, image: Tensor) -> Tensor:
        """``image`` (3N, H, W) to the same shape, dtype and range.

        Raises:
            CnnlibError: if the number of channels is not a multiple of 3, or ``alter`` breaks its promise.
        """
        if len(image) % 3:
            raise CnnlibError(f"{self.name}: the image needs 3 channels, or 6, ...; it has {len(image)}")
        if not happens(self.p):
            return image
        images = image.unflatten(0, (-1, 3))
        altered = self.alter(images)
        self._check(images, altered)
        return altered.flatten(0, 1)

    def _check(self, images: Tensor, altered: Tensor) -> None:
        if altered.shape != images.shape or altered.dtype != images.dtype:
            raise CnnlibError(
                f"{self.name}: alter must return {images.dtype} {tuple(images.shape)}, as it was given; "
                f"it returned {altered.dtype} {tuple(altered.shape)}"
            )
        low, high = torch.aminmax(altered)
        if not (low >= 0 and high <= 1):  # also true for NaN
            raise CnnlibError(f"{self.name}: alter must stay in [0, 1]; it returned {low:g} to {high:g}")
