"""Samples that are read from image files, a data set of them, and all that is wrong with its files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
from PIL import Image

from cnnlib.datasets.fitting import fitted_size, padded, padded_target
from cnnlib.datasets.image_files import ImageFileError, read_color, to_image
from cnnlib.datasets.listing import ImageFolder, Partner
from cnnlib.datasets.problems import Problems
from cnnlib.datasets.splits import Subset
from cnnlib.datasets.target_files import TargetSource
from cnnlib.datasets.threads import in_threads
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
        pictures = [read_color(each.path(name)) for each in self.inputs.values()]
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
        first = read_color(self._main_path(self.names[0]))
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
        self.size, self.fit = samples.size, samples.fit
        self._samples = samples
        self._splits = splits
        self._what = what
        self._count = check

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
        problems = Problems(self._what)
        _check_files(self._samples, self._count, problems)
        problems.raise_any()


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
    _check_names(names, problems)
    return names


def _check_names(names: Sequence[str], problems: Problems) -> None:
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


class _Look(NamedTuple):
    """What a file turned out to be."""

    role: str = ""  # the target that it belongs to; "" for an image
    name: str = ""  # of the sample
    kind: str = ""  # what all files of its role must have in common, in words; "" if that is nothing
    blank: bool = False  # it is 0 everywhere
    error: ImageFileError | None = None
    size: Size | None = None  # of an image


def _check_files(samples: FileSamples, count: int | None, problems: Problems) -> None:
    """Adds what is wrong with the files of ``count`` samples, spread evenly (``None``: of all)."""
    count = min(len(samples), count or len(samples))
    names = [samples.names[i] for i in np.linspace(0, len(samples) - 1, count).round().astype(int)]
    *others, _ = samples.inputs.values()
    shared = sorted(
        {each.path(name) for each in others for name in names}
    )  # a background serves many samples
    kinds: dict[str, dict[str, str]] = {}  # by role, then kind: the first sample of it
    blank: dict[str, bool] = {}
    jobs = [
        *(partial(_look_at_image, path) for path in shared),
        *(partial(_look, samples, name) for name in names),
    ]
    looks = in_threads(jobs, "checking image files")
    for role, name, kind, is_blank, error, _ in chain.from_iterable(looks):
        if error is not None:
            problems.add(f"files that are {error.kind}", error.detail)
            continue
        blank[role] = blank.get(role, True) and is_blank
        if kind:
            kinds.setdefault(role, {}).setdefault(kind, name)
    for role in (role for role, is_blank in blank.items() if is_blank):
        problems.add(f"a {role} that is 0 everywhere, in all samples", str(samples.targets[role].names))
    for role, examples in kinds.items():
        what = f"{role} files of different kinds, which cannot share one scale" if role else ""
        for kind, name in examples.items() if len(examples) > 1 else ():
            problems.add(what or "images of different sizes; set size to resize them", f"{kind}: {name}")


def _look(samples: FileSamples, name: str) -> list[_Look]:
    """At the files that belong to one sample alone."""
    *_, main = samples.inputs.values()
    targets = {role: target for role, target in samples.targets.items() if name in target.names}
    looks = _look_at_image(main.path(name), name, samples.size is None)
    stored = looks[0].size  # without it, no coordinates can be checked
    return looks + [
        _look_at_target(role, name, target, stored or (1, 1))
        for role, target in targets.items()
        if stored or isinstance(target.names, ImageFolder)
    ]


def _look_at_image(path: Path, name: str = "", of_one_size: bool = False) -> list[_Look]:
    try:
        picture = read_color(path)
    except ImageFileError as error:
        return [_Look(error=error)]
    size = (picture.height, picture.width)
    return [_Look("", name, f"{size[0]} x {size[1]} pixels" if of_one_size else "", size=size)]


def _look_at_target(role: str, name: str, source: TargetSource, stored: Size) -> _Look:
    try:
        target = source.read(name, stored, None)
    except ImageFileError as error:
        return _Look(error=error)
    if not isinstance(source.names, ImageFolder):
        return _Look(role, name)
    with Image.open(source.names.path(name)) as file:
        kind = "" if not source.bits_matter else "16 bits" if file.mode.startswith("I") else "8 bits"
    return _Look(role, name, kind, blank=not target.value.any())
