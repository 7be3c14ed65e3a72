"""Samples that are read from image files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeAlias

from PIL import Image

from cnnlib.datasets.fitting import check_fit, fitted_size, padded, padded_target
from cnnlib.datasets.image_files import read_color, to_image
from cnnlib.datasets.listing import ImageFolder, Partner
from cnnlib.datasets.options import USUAL_PIXELS
from cnnlib.datasets.target_files import TargetSource
from cnnlib.types import CnnlibError, Fit, Sample, Size

Box: TypeAlias = tuple[int, int, int, int]
"""Left, upper, right and lower edge in pixels; (0, 0) is the corner of the picture."""


class Input(NamedTuple):
    """One of the pictures that an image is made of."""

    folder: ImageFolder
    partner: Partner = str
    """From a sample's name to its file's name in the folder."""
    expected: str = ""
    """The names of samples for which it is known, in words."""
    crop: Callable[[str, Size], Box] | None = None
    """From a sample's name and the size of its picture to the part that is shown, black outside of the picture."""

    def path(self, name: str) -> Path:
        return self.folder.path(self.partner(name) or "")

    def shown(self, name: str, picture: Image.Image) -> Image.Image:
        if self.crop is None:
            return picture
        return picture.crop(self.crop(name, (picture.height, picture.width)))


@dataclass
class FileSamples:
    """All samples of a data set, without regard to splits."""

    names: Sequence[str]
    """Those of the last input's files."""
    inputs: Mapping[str, Input]
    """The last is the picture that the targets belong to."""
    targets: Mapping[str, TargetSource]
    size: int | None
    """Of all samples, ``size`` x ``size``; ``None``: as they are stored, which must be one size."""
    groups: Sequence[str] | None
    fit: Fit = "stretch"
    max_pixels: int = USUAL_PIXELS
    """Of a file."""
    measured: int = 0
    """The sample whose size is that of all, without ``size``."""

    def __post_init__(self) -> None:
        check_fit(self.fit, self.size)

    def __len__(self) -> int:
        return len(self.names)

    def labels(self, index: int) -> Collection[str]:
        """The targets that a sample has; no file is read."""
        return [key for key, target in self.targets.items() if self.names[index] in target.names]

    def group(self, index: int) -> str | None:
        return None if self.groups is None else self.groups[index]

    def label_class(self, index: int) -> str | None:
        """By the first target that is one class of a sample, and not in a file of its own."""
        name = self.names[index]
        found = (
            each.class_of(name) for each in self.targets.values() if each.class_of and name in each.names
        )
        return next(found, None)

    def files(self, index: int) -> list[Path]:
        """The sample's own picture, then its other inputs, then the files of its targets."""
        name = self.names[index]
        inputs = [each.path(name) for each in reversed(list(self.inputs.values()))]
        return inputs + [
            self.targets[key].names.path(name) for key in self.labels(index) if self._has_file(key)
        ]

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        pictures = [read_color(each.path(name), self.max_pixels) for each in self.inputs.values()]
        stored = (pictures[-1].height, pictures[-1].width)
        if self.size is None and stored != self._one_size:
            height, width = self._one_size
            raise CnnlibError(
                f"{self._main_path(name)} is {stored[0]} x {stored[1]} pixels, others are {height} x {width}; "
                "set size to resize all"
            )
        shown = [
            each.shown(name, picture) for each, picture in zip(self.inputs.values(), pictures, strict=True)
        ]
        inner = fitted_size((shown[-1].height, shown[-1].width), self.size, self.fit)
        size = inner if self.size is None else (self.size, self.size)
        sample: Sample = {"image": padded(to_image(shown, inner), size), "name": name}
        for key in self.labels(index):
            sample[key] = padded_target(self.targets[key].read(name, stored, inner), size)
        if self.groups is not None:
            sample["group"] = self.groups[index]
        return sample

    def _has_file(self, key: str) -> bool:
        return isinstance(self.targets[key].names, ImageFolder)

    def _main_path(self, name: str) -> Path:
        return list(self.inputs.values())[-1].path(name)

    @cached_property
    def _one_size(self) -> Size:
        first = read_color(self._main_path(self.names[self.measured]), self.max_pixels)
        return first.height, first.width
