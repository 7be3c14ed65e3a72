"""Scenes that are wide or upright, as photographs are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Ge, Le, MinLen
from PIL import Image

from cnnlib.checks import checked
from cnnlib.datasets.file_samples import Box
from cnnlib.datasets.fitting import fitted_size, padded
from cnnlib.datasets.image_files import to_image
from cnnlib.datasets.options import Seed
from cnnlib.datasets.scenes.rendered import Count, Pixels
from cnnlib.datasets.scenes.solids import Family
from cnnlib.datasets.scenes.source import Scenes
from cnnlib.types import Fit, Sample, SampleSource, Split, Target, TargetInfo


@dataclass(frozen=True)
class CroppedSplit:
    """The scenes of one split, each cut to two thirds of its height or width, then brought to a square."""

    scenes: SampleSource
    size: int
    fit: Fit
    seed: int

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> Sample:
        """``image`` (3, size, size), ``box``, ``label`` and ``name``: ``test-00012``."""
        scene = self.scenes[index]
        picture, box = scene["image"][3:], scene["box"].value
        left, top, right, bottom = _window(
            box.numpy(), picture.shape[-1], np.random.default_rng([self.seed, index])
        )
        pixels = (picture[:, top:bottom, left:right] * 255).round().byte().permute(1, 2, 0).numpy()
        shape = (bottom - top, right - left)
        height, width = inner = fitted_size(shape, self.size, self.fit)
        edges = (box - torch.tensor([left, top, left, top])).clamp(min=0)
        edges = edges.minimum(torch.tensor([*shape[::-1]] * 2))
        scale = torch.tensor([width / shape[1], height / shape[0]] * 2)
        return {
            "image": padded(to_image([Image.fromarray(pixels)], inner), (self.size, self.size)),
            "box": Target(edges * scale),
            "label": scene["label"],
            "name": scene["name"],
        }

    def label_class(self, index: int) -> str:
        return self.scenes.label_class(index)

    def files(self, index: int) -> tuple[()]:
        return ()


class CroppedScenes:
    """``scenes``, each cut at random to a wide picture (3:2) or to an upright one (2:3).

    Their objects' boxes and classes stand in for those of photographs, which are wide or upright and have to be brought
    to one size. As much of the main object is shown as fits.

    Args:
        size: height and width of the samples in pixels; scenes are rendered half again as large.
        fit: how a picture becomes square: it is stretched, or ``pad`` makes the longer side ``size`` and adds black at
            the right and at the bottom.
        train, val, test, seed, cache_dir, families, objects: as of ``scenes``.

    Targets, of the main object: its ``box``, cut to the picture, and its ``label``.
    """

    inputs: ClassVar[Mapping[str, int]] = {"image": 3}
    targets: ClassVar[Mapping[str, TargetInfo]] = {key: Scenes.targets[key] for key in ("box", "label")}

    @checked
    def __init__(
        self,
        size: Pixels = 96,
        fit: Fit = "stretch",
        train: Count = 800,
        val: Count = 100,
        test: Count = 100,
        seed: Seed = 0,
        cache_dir: str | None = None,
        families: Annotated[list[Family], MinLen(1)] | None = None,
        objects: Annotated[int, Ge(1), Le(3)] | None = None,
    ) -> None:
        self.size, self.fit, self.seed = size, fit, seed
        self._scenes = Scenes(size * 3 // 2, train, val, test, seed, cache_dir, families, objects)

    def split(self, part: Split) -> CroppedSplit:
        return CroppedSplit(self._scenes.split(part), self.size, self.fit, self.seed)


def _window(box: np.ndarray, side: int, rng: np.random.Generator) -> Box:
    """What is cut out of a square picture: two thirds of it along one axis, all of it along the other."""
    axis = int(rng.integers(2))
    length = side * 2 // 3
    low, high = sorted((box[axis + 2] - length, box[axis]))  # from where on the whole object is seen
    start = int(np.clip(rng.uniform(low, high), 0, side - length).round())
    edges = [0, 0, side, side]
    edges[axis], edges[axis + 2] = start, start + length
    return edges[0], edges[1], edges[2], edges[3]
