"""Folders of .npy files, ``train/image/0.npy`` and ``val/image/0.npy``, with a folder for each map beside ``image``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from cnnlib.datasets.array_files import read_image
from cnnlib.datasets.image_files import ImageFileError
from cnnlib.datasets.problems import Problems, opened
from cnnlib.datasets.splits import Subset, split_free, split_of, spread
from cnnlib.datasets.threads import in_threads
from cnnlib.types import CnnlibError, Sample, SampleSource, Size, Split, Target, TargetInfo

_PARTS = ("train", "val")
_SHOWN = 6  # names of what was found


class ArrayMap(NamedTuple):
    """A map that every picture has."""

    folder: str
    info: TargetInfo
    read: Callable[[Path, Size], Target]


@dataclass
class ArraySamples:
    """All samples of a data set, without regard to splits: ``train/0``, ``train/1``, ..., ``val/0``, ..."""

    root: Path
    names: Sequence[str]
    maps: Mapping[str, ArrayMap]
    """By target."""

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        parts = {role: self.read(role, index) for role in ("image", *self.maps)}
        return {**parts, "name": self.names[index]}

    def labels(self, index: int) -> Collection[str]:
        return tuple(self.maps)

    def files(self, index: int) -> list[Path]:
        return [self._path(role, index) for role in ("image", *self.maps)]

    def read(self, role: str, index: int) -> Any:
        """The image or a target of one sample; raises ``ImageFileError``."""
        path = self._path(role, index)
        return read_image(path, self.size) if role == "image" else self.maps[role].read(path, self.size)

    @cached_property
    def size(self) -> Size:
        """Of the first image, and so of all."""
        height, width = read_image(self._path("image", 0), None).shape[1:]
        return height, width

    def _path(self, role: str, index: int) -> Path:
        part, number = self.names[index].split("/")
        folder = "image" if role == "image" else self.maps[role].folder
        return self.root / part / folder / f"{number}.npy"


class ArrayDataSource:
    """A data set of such folders. The samples of ``val`` are the test set, for it is what papers test on; validation,
    by which the best epoch is chosen, is a part of ``train``.

    Args:
        root: the folder that ``train`` and ``val`` are in.
        maps: by target.
        val: the share of ``train``, drawn at random, that is held out for validation.
        seed: of that draw.
        check: how many samples ``check`` reads; ``None``: all.

    Raises:
        CnnlibError: the folders are others, or their files do not pair.
    """

    inputs: Mapping[str, int] = {"image": 3}
    size = None
    fixed_test = True

    def __init__(
        self, root: str, maps: Mapping[str, ArrayMap], val: float, seed: int, check: int | None
    ) -> None:
        base, problems = opened(root)
        self._what, self._count = problems.what, check
        folders = ["image", *(each.folder for each in maps.values())]
        names = _paired_names(base, folders, problems)
        self.targets = {key: each.info for key, each in maps.items()}
        self.samples = ArraySamples(base, [*names["train"], *names["val"]], maps)
        first = len(names["train"])
        self._splits = split_free(len(self.samples), range(first, len(self.samples)), val, seed)

    def split(self, part: Split) -> SampleSource:
        return Subset(self.samples, split_of(self._splits, part))

    def check(self) -> None:
        """Reads the files; raises ``CnnlibError`` with every kind of problem, its count, and the first few."""
        problems = Problems(self._what)
        indices = spread(len(self.samples), self._count)
        for errors in in_threads([partial(self._errors, index) for index in indices], "checking arrays"):
            for error in errors:
                problems.add(f"files that are {error.kind}", error.detail)
        problems.raise_any()

    def _errors(self, index: int) -> list[ImageFileError]:
        errors = []
        for role in ("image", *self.targets):
            try:
                self.samples.read(role, index)
            except ImageFileError as error:
                errors.append(error)
        return errors


def _paired_names(base: Path, folders: Sequence[str], problems: Problems) -> dict[str, list[str]]:
    """The samples of each part, in the order of their numbers."""
    _check_folders(base, folders, problems.what)
    names = {}
    for part in _PARTS:
        numbers = {folder: _numbers(base / part / folder) for folder in folders}
        images = numbers["image"]
        if not images:
            found = _found(base / part / "image")
            problems.add("folders without a file such as 0.npy", f"{base / part / 'image'}: it holds {found}")
        for folder in folders[1:]:
            for number in sorted(images - numbers[folder]):
                problems.add(f"images without a file in {folder}", f"{part}/image/{number}.npy")
            for number in sorted(numbers[folder] - images):
                problems.add("files without an image of the same number", f"{part}/{folder}/{number}.npy")
        names[part] = [f"{part}/{number}" for number in sorted(images)]
    problems.raise_any()
    return names


def _check_folders(base: Path, folders: Sequence[str], what: str) -> None:
    missing = [
        f"{part}/{folder}" for part in _PARTS for folder in folders if not (base / part / folder).is_dir()
    ]
    if missing:
        layout = f"{base}/{{{','.join(_PARTS)}}}/{{{','.join(folders)}}}/N.npy"
        hint = "; for image files use the data set folders" if _has_pictures(base) else ""
        raise CnnlibError(
            f"{what} cannot be used: expected {layout}, N = 0, 1, ...; there is no {', no '.join(missing)}: it holds "
            f"{_found(base)}{hint}"
        )


def _numbers(folder: Path) -> set[int]:
    stems = (path.stem for path in folder.iterdir() if path.suffix == ".npy" and path.stem.isdecimal())
    return {int(stem) for stem in stems if str(int(stem)) == stem}


def _found(folder: Path) -> str:
    """The first names in a folder, and in its folders."""
    if not folder.is_dir():
        return "nothing, for it does not exist" if not folder.exists() else "no folders, for it is a file"
    inside = sorted(f"{path.name}/" if path.is_dir() else path.name for path in folder.iterdir())
    for place in [name for name in inside if name in ("train/", "val/")]:
        inside += sorted(f"{place}{path.name}" for path in (folder / place).iterdir())
    return ", ".join(inside[:_SHOWN]) + (", ..." if len(inside) > _SHOWN else "") if inside else "nothing"


def _has_pictures(base: Path) -> bool:
    folders = [base, *(path for path in base.glob("*") if path.is_dir())]
    return any(next(folder.glob(f"*.{suffix}"), None) for folder in folders for suffix in ("jpg", "png"))
