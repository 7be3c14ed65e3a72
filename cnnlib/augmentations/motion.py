"""How the view of a sample moves, and the only code that moves one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms.v2 import InterpolationMode
from torchvision.transforms.v2 import functional as F


class Depth(tv_tensors.Mask):
    """A map of depths (1, H, W). Moves like a mask, and a zoom divides its values."""


@dataclass(frozen=True)
class Motion:
    """A similarity of the image plane: ``new = zoom * rotation(angle) * mirror * old + shift``.

    Coordinates are pixels from the centre of the image, x to the right and y down. Motions are closed
    under composition, so that a chain of them is one motion, and one interpolation.

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

    def then(self, later: Motion) -> Motion:
        """This motion first, ``later`` after it."""
        x, y = self.shift
        if later.mirrored:
            x = -x
        cos, sin = math.cos(math.radians(later.angle)), math.sin(math.radians(later.angle))
        return Motion(
            mirrored=self.mirrored != later.mirrored,
            angle=later.angle + (-self.angle if later.mirrored else self.angle),
            zoom=later.zoom * self.zoom,
            shift=(
                later.zoom * (cos * x - sin * y) + later.shift[0],
                later.zoom * (sin * x + cos * y) + later.shift[1],
            ),
        )

    def move(self, entries: Mapping[str, tv_tensors.TVTensor]) -> dict[str, tv_tensors.TVTensor]:
        """Moves an image and all maps that go with it; what comes in from outside is 0 (False).

        Images are interpolated bilinearly, masks and depths by nearest neighbour, as one stack of channels.
        Mirroring, and turning a square by quarters, are exact.
        """
        if self == Motion():
            return dict(entries)
        images = {name: entry for name, entry in entries.items() if isinstance(entry, tv_tensors.Image)}
        maps = {name: entry.as_subclass(Tensor) for name, entry in entries.items() if name not in images}
        moved = {}
        for name, image in images.items():
            # Interpolation weights may add up to a little more than 1.
            unit = self._apply(image).as_subclass(Tensor).clamp(0, 1)
            moved[name] = tv_tensors.wrap(unit, like=image)
        if maps:
            stack = self._apply(tv_tensors.Mask(torch.cat([values.float() for values in maps.values()])))
            channels = stack.as_subclass(Tensor).split([len(values) for values in maps.values()])
            for (name, before), after in zip(maps.items(), channels, strict=True):
                metres = after / self.zoom if isinstance(entries[name], Depth) else after
                moved[name] = tv_tensors.wrap(metres.to(before.dtype), like=entries[name])
        return moved

    def _apply(self, entry: tv_tensors.TVTensor) -> tv_tensors.TVTensor:
        if self.mirrored:
            entry = F.horizontal_flip(entry)
        if self.zoom == 1 and self.shift == (0, 0):
            if self.angle % 360 == 0:
                return entry
            # torchvision's rotate counts counter-clockwise, and is exact at quarter turns.
            return F.rotate(entry, -self.angle, interpolation=InterpolationMode.BILINEAR)
        return F.affine(
            entry,
            angle=self.angle,
            translate=list(self.shift),
            scale=self.zoom,
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
