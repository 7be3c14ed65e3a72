"""Samples that are read from image files, and a data set of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cnnlib.datasets.file_check import check_files
from cnnlib.datasets.image_files import read_color, to_image
from cnnlib.datasets.listing import ImageFolder, Partner
from cnnlib.datasets.splits import Subset
from cnnlib.datasets.target_files import TargetSource
from cnnlib.types import CnnlibError, Sample, SampleSource, Size, Split


class Input(NamedTuple):
    """One of the pictures that an image is made of."""

    folder: ImageFolder
    partner: Partner = str
    """From a sample's name to its file's name in the folder."""
    expected: str = ""
    """The names of samples for which it is known, in words."""

    def path(self, name: str) -> Path:
        return self.folder.path(self.partner(name) or "")


class FileSamples:
    """All samples of a data set, without regard to splits.

    Args:
        names: of the samples: those of the last input's files.
        inputs: the last is the picture that the targets belong to.
        targets: a sample whose name is not in one of them has no such target.
        size: of all samples, ``size`` x ``size``; ``None``: as they are stored, which must be one size.
        groups: of the samples, if they have any.
    """

    def __init__(
        self,
        names: Sequence[str],
        inputs: Mapping[str, Input],
        targets: Mapping[str, TargetSource],
        size: int | None,
        groups: Sequence[str] | None,
    ) -> None:
        self.names = names
        self.inputs = inputs
        *_, self._main = inputs.values()
        self.targets = targets
        self.size = size
        self.groups = groups

    def __len__(self) -> int:
        return len(self.names)

    def labels(self, index: int) -> Collection[str]:
        """The targets that a sample has; no file is read."""
        return [key for key, target in self.targets.items() if self.names[index] in target.names]

    def __getitem__(self, index: int) -> Sample:
        name = self.names[index]
        pictures = [read_color(each.path(name)) for each in self.inputs.values()]
        stored = (pictures[-1].height, pictures[-1].width)
        size = self._one_size if self.size is None else (self.size, self.size)
        if self.size is None and stored != size:
            raise CnnlibError(
                f"{self._main.path(name)} is {stored[0]} x {stored[1]} pixels, others are {size[0]} x {size[1]}; "
                "set size to resize all"
            )
        sample: Sample = {"image": to_image(pictures, size), "name": name}
        for key in self.labels(index):
            sample[key] = self.targets[key].read(name, stored, size)
        if self.groups is not None:
            sample["group"] = self.groups[index]
        return sample

    @cached_property
    def _one_size(self) -> Size:
        first = read_color(self._main.path(self.names[0]))
        return first.height, first.width


class FileDataSource:
    """A data set of files.

    Args:
        samples: of all splits.
        splits: the indices of each.
        what: the data set in words, for messages.
        check: how many samples ``check`` looks into; ``None``: all.
    """

    def __init__(
        self, samples: FileSamples, splits: Mapping[Split, np.ndarray], what: str, check: int | None
    ) -> None:
        self.inputs = dict.fromkeys(samples.inputs, 3)
        self.targets = {key: target.info for key, target in samples.targets.items()}
        self.size = samples.size
        self._samples = samples
        self._splits = splits
        self._what = what
        self._count = check

    def split(self, part: Split) -> SampleSource:
        """Raises ``CnnlibError`` unless ``part`` is "train", "val" or "test"."""
        if part not in self._splits:
            raise CnnlibError(f"a split is one of {', '.join(self._splits)}; got {part!r}")
        return Subset(self._samples, self._splits[part])

    def check(self) -> None:
        """Decodes every file, or those of as many samples as the option ``check`` says.

        Raises:
            CnnlibError: with every kind of problem, its count, and the first few.
        """
        check_files(self._samples, self._count).raise_any(self._what)
