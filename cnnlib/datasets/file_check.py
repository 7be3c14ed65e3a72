"""All that is wrong with the files of a data set: what does not pair, and what cannot be decoded."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from cnnlib.datasets.image_files import ImageFileError, read_color
from cnnlib.datasets.listing import ImageFolder
from cnnlib.datasets.problems import Problems
from cnnlib.datasets.target_files import TargetSource
from cnnlib.files import file_stem
from cnnlib.types import CnnlibError

if TYPE_CHECKING:
    from cnnlib.datasets.file_samples import FileSamples, Input

_THREADS = min(8, os.cpu_count() or 1)
_CHUNK = 1024


def complete_names(inputs: Mapping[str, Input], problems: Problems) -> list[str]:
    """The samples that have every input, sorted; those that have not are problems."""
    *others, main = inputs
    names = sorted(inputs[main].folder)
    for key in others:
        folder, partner, expected = inputs[key]
        known = []
        for name in names:
            found = partner(name)
            if found is None:
                problems.add(f"images whose {key} is not known; expected {expected}", name)
            elif found in folder:
                known.append(name)
            else:
                problems.add(f"images whose {key} is not in {folder}", f"{name} needs {found}")
        names = known
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


def check_pairs(targets: Mapping[str, TargetSource], pictures: ImageFolder, problems: Problems) -> None:
    """Targets without a picture are problems, and those that no picture has."""
    for key, target in targets.items():
        for name in sorted(name for name in target.names if name not in pictures):
            problems.add(f"{key} targets without an image of the same name in {pictures}", name)
        if not any(name in target.names for name in pictures):
            problems.add("targets that no image has", key)


class _Look(NamedTuple):
    """What a file turned out to be."""

    role: str = ""  # the target that it belongs to; "" for an image
    name: str = ""  # of the sample
    kind: str = ""  # what all files of its role must have in common, in words; "" if that is nothing
    blank: bool = False  # it is 0 everywhere
    error: ImageFileError | None = None


def check_files(samples: FileSamples, count: int | None) -> Problems:
    """What is wrong with the files of ``count`` samples, spread evenly (``None``: of all)."""
    problems = Problems()
    kinds: dict[str, dict[str, str]] = {}  # by role, then kind: the first sample of it
    blank: dict[str, bool] = {}
    for role, name, kind, is_blank, error in _looks(samples, min(len(samples), count or len(samples))):
        if error is not None:
            problems.add(f"files that are {error.kind}", error.detail)
            continue
        blank[role] = blank.get(role, True) and is_blank
        if kind:
            kinds.setdefault(role, {}).setdefault(kind, name)
    for role in [role for role, is_blank in blank.items() if is_blank]:
        problems.add(f"a {role} that is 0 everywhere, in all samples", str(samples.targets[role].names))
    for role, examples in kinds.items():
        what = f"{role} files of different kinds, which cannot share one scale" if role else ""
        for kind, name in examples.items() if len(examples) > 1 else ():
            problems.add(what or "images of different sizes; set size to resize them", f"{kind}: {name}")
    return problems


def _looks(samples: FileSamples, count: int) -> Iterator[_Look]:
    """Looks into all files, by several threads, with a progress bar."""
    names = [samples.names[i] for i in np.linspace(0, len(samples) - 1, count).round().astype(int)]
    *others, _ = samples.inputs.values()
    shared: set[Path] = set()  # a background belongs to many samples, and is read once
    console = Console(stderr=True)
    progress = Progress(console=console, transient=True, disable=not console.is_terminal)
    with ThreadPoolExecutor(_THREADS) as pool, progress:
        bar = progress.add_task("checking image files", total=count)
        for chunk in (names[start : start + _CHUNK] for start in range(0, count, _CHUNK)):
            fresh = {each.path(name) for each in others for name in chunk} - shared
            shared |= fresh
            yield from (look._replace(kind="") for look in pool.map(_look_at_image, sorted(fresh)))
            for looks in pool.map(partial(_look_at_sample, samples), chunk):
                yield from looks
            progress.advance(bar, len(chunk))


def _look_at_sample(samples: FileSamples, name: str) -> list[_Look]:
    path = list(samples.inputs.values())[-1].path(name)
    roles = [role for role, target in samples.targets.items() if name in target.names]
    image = _look_at_image(path)
    image = image._replace(name=name, kind="" if samples.size else image.kind)
    return [image, *(_look_at_target(role, name, samples.targets[role]) for role in roles)]


def _look_at_image(path: Path) -> _Look:
    try:
        picture = read_color(path)
    except ImageFileError as error:
        return _Look(error=error)
    return _Look(kind=f"{picture.height} x {picture.width} pixels")


def _look_at_target(role: str, name: str, source: TargetSource) -> _Look:
    try:
        target = source.read(name, (1, 1), None)
    except ImageFileError as error:
        return _Look(error=error)
    if not isinstance(source.names, ImageFolder):
        return _Look(role, name)
    with Image.open(source.names.path(name)) as file:
        kind = "" if not source.bits_matter else "16 bits" if file.mode.startswith("I") else "8 bits"
    return _Look(role, name, kind, blank=not target.value.any())
