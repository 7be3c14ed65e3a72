"""How the view of a sample moves, and the only code that moves one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F

from cnnlib.types import Size


@dataclass(frozen=True)
class Similarity:
    """A similarity transform of the image plane: ``new = zoom * rotation(angle) * mirror * old + shift``.

    Coordinates are pixels from the centre of the image, x to the right and y down. Similarities are closed under
    composition, so that a chain of them is one, with one interpolation.

    Args:
        mirrored: left and right change places.
        angle: degrees, clockwise as seen.
        zoom: above 1 brings nearer.
        shift: pixels to the right, and down.
    """

    mirrored: bool = False
    angle: float = 0.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)

    def then(self, later: Similarity) -> Similarity:
        """This transform first, ``later`` after it."""
        x, y = self.shift
        if later.mirrored:
            x = -x
        cos, sin = later.cos_sin
        return Similarity(
            mirrored=self.mirrored != later.mirrored,
            angle=later.angle + (-self.angle if later.mirrored else self.angle),
            zoom=later.zoom * self.zoom,
            shift=(
                later.zoom * (cos * x - sin * y) + later.shift[0],
                later.zoom * (sin * x + cos * y) + later.shift[1],
            ),
        )

    @property
    def cos_sin(self) -> tuple[float, float]:
        return math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))

    def move_image(self, image: Tensor) -> Tensor:
        """An image (C, H, W) in [0, 1], interpolated bilinearly; what comes in from outside is 0."""
        if self == Similarity():
            return image
        # Interpolation weights may add up to a little more than 1.
        return self._apply(tv_tensors.Image(image)).clamp(0, 1)

    def view(self, size: Size) -> SimilarityView:
        """The ``View`` of an image of this size, by which tasks move their targets."""
        return SimilarityView(self, size)

    def _apply(self, entry: tv_tensors.TVTensor) -> Tensor:
        """Mirroring, and turning a square by quarters, are exact; a mask moves by nearest neighbour."""
        if self.mirrored:
            entry = F.horizontal_flip(entry)
        if self.zoom == 1 and self.shift == (0, 0):
            if (
                self.angle % 360
            ):  # torchvision's rotate counts counter-clockwise, and is exact at quarter turns
                entry = F.rotate(entry, -self.angle, interpolation=InterpolationMode.BILINEAR)
        else:
            entry = F.affine(
                entry,
                angle=self.angle,
                translate=list(self.shift),
                scale=self.zoom,
                shear=[0.0, 0.0],
                interpolation=InterpolationMode.BILINEAR,
            )
        return entry.as_subclass(Tensor)


class SimilarityView:
    """A similarity transform of an image of a known size, as ``cnnlib.types.View`` describes it."""

    def __init__(self, similarity: Similarity, size: Size) -> None:
        self.size = size
        self.mirrored = similarity.mirrored
        self.angle = similarity.angle
        self.zoom = similarity.zoom
        self._similarity = similarity

    def warp(self, maps: Tensor) -> Tensor:
        if self._similarity == Similarity():
            return maps
        if self._similarity == Similarity(mirrored=True):
            return maps.flip(-1)
        moved = maps.flatten(-2)[..., self._source.clamp(min=0)]
        return torch.where(self._source < 0, torch.zeros((), dtype=maps.dtype), moved).unflatten(
            -1, self.size
        )

    def points(self, xy: Tensor) -> Tensor:
        cos, sin = self._similarity.cos_sin
        centre = xy.new_tensor([self.size[1] / 2, self.size[0] / 2])
        x, y = (xy - centre).unbind(-1)
        x = -x if self.mirrored else x
        turned = torch.stack([cos * x - sin * y, sin * x + cos * y], dim=-1)
        return self.zoom * turned + xy.new_tensor(self._similarity.shift) + centre

    @cached_property
    def _source(self) -> Tensor:
        """The index of the pixel that each new pixel comes from, (H * W,); -1 outside of the image.

        A picture of the indices is moved once, and says where the pixels of all maps come from; float32 holds the
        indices of 16 million pixels.
        """
        count = self.size[0] * self.size[1]
        indices = torch.arange(1, count + 1, dtype=torch.float32).view(1, *self.size)
        return self._similarity._apply(tv_tensors.Mask(indices)).flatten().long() - 1
