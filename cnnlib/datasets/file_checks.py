"""All that is wrong with the files of a data set, found by decoding them."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from cnnlib.datasets.file_samples import FileSamples
from cnnlib.datasets.image_files import ImageFileError, read_color
from cnnlib.datasets.listing import ImageFolder
from cnnlib.datasets.map_files import kind_of_levels
from cnnlib.datasets.problems import Problems
from cnnlib.datasets.splits import spread
from cnnlib.datasets.target_files import TargetSource
from cnnlib.datasets.threads import in_threads
from cnnlib.types import Size


class _Look(NamedTuple):
    """What a file turned out to be."""

    role: str = ""  # the target that it belongs to; "" for an image
    names: tuple[str, ...] = ()  # of the samples that need it
    kind: str = ""  # what all files of its role must have in common, in words; "" if that is nothing
    blank: bool = False  # it is 0 everywhere
    error: ImageFileError | None = None
    size: Size | None = None  # of an image


def check_files(samples: FileSamples, count: int | None, broken: Problems, at_odds: Problems) -> set[str]:
    """Looks into the files of ``count`` samples, spread evenly (``None``: of all).

    Args:
        broken: is given the files that cannot be used.
        at_odds: is given what is wrong with the others taken together: kinds that do not fit, targets that are blank in
            all samples.

    Returns:
        The names of the samples that need a broken file.
    """
    names = [samples.names[index] for index in spread(len(samples), count)]
    *others, _ = samples.inputs.values()
    shared = defaultdict(list)  # a background serves many samples
    for name in names:
        for each in others:
            shared[each.path(name)].append(name)
    jobs = [
        *(partial(_look_at_image, path, tuple(shared[path]), samples.max_pixels) for path in sorted(shared)),
        *(partial(_look, samples, name) for name in names),
    ]
    looks = list(chain.from_iterable(in_threads(jobs, "checking image files")))
    lost: set[str] = set()
    for look in looks:
        if look.error is not None:
            broken.add(f"files that are {look.error.kind}", look.error.detail)
            lost.update(look.names)
    _compare([look for look in looks if not lost.issuperset(look.names)], samples, at_odds)
    return lost


def _compare(looks: list[_Look], samples: FileSamples, problems: Problems) -> None:
    kinds: dict[str, dict[str, str]] = {}  # by role, then kind: the first sample of it
    blank: dict[str, bool] = {}
    for role, names, kind, is_blank, _, _ in looks:
        blank[role] = blank.get(role, True) and is_blank
        if kind:
            kinds.setdefault(role, {}).setdefault(kind, names[0])
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
    looks = _look_at_image(main.path(name), (name,), samples.max_pixels, samples.size is None)
    stored = looks[0].size  # without it, no coordinates can be checked
    return looks + [
        _look_at_target(role, name, target, stored or (1, 1))
        for role, target in targets.items()
        if stored or isinstance(target.names, ImageFolder)
    ]


def _look_at_image(
    path: Path, names: tuple[str, ...], max_pixels: int, of_one_size: bool = False
) -> list[_Look]:
    try:
        picture = read_color(path, max_pixels)
    except ImageFileError as error:
        return [_Look(names=names, error=error)]
    size = (picture.height, picture.width)
    return [_Look("", names, f"{size[0]} x {size[1]} pixels" if of_one_size else "", size=size)]


def _look_at_target(role: str, name: str, source: TargetSource, stored: Size) -> _Look:
    try:
        target = source.read(name, stored, None)
    except ImageFileError as error:
        return _Look(role, (name,), error=error)
    if not isinstance(source.names, ImageFolder):
        return _Look(role, (name,))
    kind = kind_of_levels(source.names.path(name)) if source.bits_matter else ""
    return _Look(role, (name,), kind, blank=not target.value.any())
