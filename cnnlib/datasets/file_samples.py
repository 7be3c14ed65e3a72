"""Samples that are read from image files, and a data set of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from cnnlib.datasets.file_checks import check_files
from cnnlib.datasets.fitting import fitted_size, padded, padded_target
from cnnlib.datasets.image_files import USUAL_PIXELS, read_color, to_image
from cnnlib.datasets.listing import ImageFolder, Partner
from cnnlib.datasets.problems import Problems
from cnnlib.datasets.splits import Subset
from cnnlib.datasets.target_files import TargetSource
from cnnlib.files import file_stem
from cnnlib.types import CnnlibError, Fit, Sample, SampleSource, Size, Split

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
        if self.fit == "pad" and self.size is None:
            raise CnnlibError("fit: pad needs size, the side of the square that pictures are brought to")

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


class FileDataSource:
    """A data set of files.

    Args:
        samples: of all splits.
        splits: the indices of each.
        what: the data set in words, for messages.
        check: how many samples ``check`` looks into; ``None``: all.

    Attributes:
        skipped: the samples that ``skip_broken`` has left out; ``None`` before.
    """

    def __init__(
        self, samples: FileSamples, splits: Mapping[Split, np.ndarray], what: str, check: int | None
    ) -> None:
        self.inputs = dict.fromkeys(samples.inputs, 3)
        self.targets = {key: target.info for key, target in samples.targets.items()}
        self.size, self.fit = samples.size, samples.fit
        self._samples = samples
        self._splits = splits
        self._what = what
        self._count = check
        self.skipped: tuple[str, ...] | None = None

    def split(self, part: Split) -> SampleSource:
        if part not in self._splits:
            raise CnnlibError(f"a split is one of {', '.join(self._splits)}; got {part!r}")
        return Subset(self._samples, self._splits[part])

    def listed(self) -> Iterator[tuple[Split, str, str | None, list[Path]]]:
        """Of each sample in a split: the split, its name, its class where it has one, and its files; none is read."""
        samples = self._samples
        for part, indices in self._splits.items():
            for index in indices.tolist():
                yield part, samples.names[index], samples.label_class(index), samples.files(index)

    def check(self) -> None:
        """Decodes the files; raises ``CnnlibError`` with every kind of problem, its count, and the first few."""
        if self.skipped is not None:
            return  # all were looked into
        problems = Problems(self._what)
        check_files(self._samples, self._count, problems, problems)
        problems.raise_any()

    def skip_broken(self, most: float) -> None:
        """Leaves out of all splits the samples of which a file cannot be used, and reports them on stderr.

        A sample goes as a whole, also where only one of its targets, or a background that it shares, is broken: what
        is trained and measured then has all its labels. The others stay in the splits that they are in. All files are
        looked into, whatever ``check`` is.

        Args:
            most: the largest share of all samples that may be left out.

        Raises:
            CnnlibError: there are more, or the others do not fit together: see ``check``.
        """
        if self.skipped is not None:
            return
        broken, at_odds = Problems(self._what), Problems(self._what)
        lost = check_files(self._samples, None, broken, at_odds)
        names = self._samples.names
        broken.leave_out(len(lost), len(names), most)
        at_odds.raise_any()
        self.skipped = tuple(name for name in names if name in lost)
        self._samples.measured = next(i for i, name in enumerate(names) if name not in lost)
        self._splits = {
            part: np.array([i for i in indices if names[i] not in lost], np.int64)
            for part, indices in self._splits.items()
        }


def paired_names(
    inputs: Mapping[str, Input], targets: Mapping[str, TargetSource], problems: Problems
) -> list[str]:
    """The samples that have every input, sorted; those that have not are problems, as are targets without a picture."""
    *others, main = inputs
    pictures = inputs[main].folder
    for key, target in targets.items():
        for name in sorted(set(target.names) - pictures.keys()):
            problems.add(f"{key} targets without an image of the same name in {pictures}", name)
        for name in target.repeated:
            problems.add(
                f"{key} targets in several rows; several per image, such as boxes, are not supported", name
            )
        if pictures.keys().isdisjoint(target.names):
            problems.add("targets that no image has", key)
    names = sorted(pictures)
    for key in others:
        folder, partner, expected, _ = inputs[key]
        partners = {name: partner(name) for name in names}
        for name, found in partners.items():
            if found is None:
                problems.add(f"images whose {key} is not known; expected {expected}", name)
            elif found not in folder:
                problems.add(f"images whose {key} is not in {folder}", f"{name} needs {found}")
        names = [name for name in names if partners[name] in folder]
    check_names(names, problems)
    return names


def check_names(names: Sequence[str], problems: Problems) -> None:
    """Predictions are saved under the samples' names, on file systems that may take A and a for one."""
    seen: dict[str, str] = {}
    for name in names:
        try:
            file_stem(name)
        except CnnlibError as error:
            problems.add("names that predictions cannot be saved under", str(error))
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            problems.add("names that differ in upper and lower case alone", f"{twin}, {name}")
