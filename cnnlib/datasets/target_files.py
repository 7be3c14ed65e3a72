"""Where targets are read from; what pixels or a row mean is known by the kind of task alone.

Image files are read by the class method ``from_pixels`` that a kind of task on maps has, and rows of a table by
``load``, as saved predictions are: a table of predictions is also a table of targets.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from pydantic import TypeAdapter, ValidationError
from torch import Tensor

from cnnlib.checks import check_arguments, did_you_mean, expectation
from cnnlib.datasets.image_files import ImageFileError, read_color
from cnnlib.datasets.listing import ImageFolder, composed, read_table, without_suffix
from cnnlib.datasets.map_files import read_gray, read_indices, read_lengths
from cnnlib.datasets.options import USUAL_PIXELS
from cnnlib.lookup import find
from cnnlib.tasks import TASKS, Task
from cnnlib.tasks.row import RowTask
from cnnlib.types import CnnlibError, Size, Target, TargetInfo

_READERS: dict[str, Callable[[Path, int], np.ndarray]] = {
    "gray": read_gray,
    "color": lambda path, max_pixels: np.array(read_color(path, max_pixels)),
    "index": read_indices,
    "lengths": read_lengths,
}
_INFO = TypeAdapter(TargetInfo)
_PLACES = {"folder": (str, "text"), "file": (str, "text"), "by_folder": (bool, "true or false")}
ABOUT_DATA = ("names", "flip_order", "unit", "multi_label", "inverse")  # what goes into the TargetInfo


@dataclass(frozen=True)
class TargetSource:
    """One target of all samples that have it."""

    info: TargetInfo
    names: Collection[str]
    """Of the samples that have it."""
    read: Callable[[str, Size, Size | None], Target]
    """From a sample's name, the size that its picture is stored in and the one that it is shown in (``None``: the
    target's own). Raises ``ImageFileError``."""
    bits_matter: bool = False
    """Its files must all have 8 bits, or all 16."""
    repeated: Sequence[str] = ()
    """Samples that its table names more than once."""
    class_of: Callable[[str], str | None] | None = None
    """Of a target that is one class of a sample: from the sample's name to the class, with no image read."""


def target_source(
    key: str,
    given: Mapping[str, Any],
    root: Path,
    pictures: ImageFolder,
    folder: ImageFolder | None,
    max_pixels: int = USUAL_PIXELS,
) -> TargetSource:
    """The target ``key`` as a configuration describes it.

    Args:
        given: ``folder``, ``file`` or ``by_folder: true``, and options.
        root: where a relative ``file`` starts.
        pictures: of the samples.
        folder: the listed ``folder``.
        max_pixels: of its files.

    Raises:
        CnnlibError: the description cannot work.
    """
    options = dict(given)
    kind = options.pop("kind", key)
    about = {name: options.pop(name) for name in ABOUT_DATA if name in options}
    info = target_info({"kind": kind, **about})
    task = find(kind, TASKS, f"kind of target (targets.{key})", (Task,))
    place = place_of(given)
    for name in _PLACES:
        options.pop(name, None)
    if place == "folder" and not hasattr(task, "from_pixels"):
        raise CnnlibError(f"a target of kind {kind!r} cannot be read from images")
    check_options(task.from_pixels if place == "folder" else None, options)
    if folder is not None:
        read = partial(_read_map, task, folder, options, max_pixels)
        return TargetSource(info, folder, read, task.bits_matter)
    if place == "file":
        return _table(task(info=info), root / given["file"])
    classes = {name: name.split("/")[-2] for name in pictures}
    info = replace(info, names=tuple(map(composed, info.names)) or tuple(sorted(set(classes.values()))))
    value = task(info=info).missing((1, 1)).value
    if value.shape or value.is_floating_point():
        raise CnnlibError(f"a target of kind {kind!r} cannot be read from the names of folders")
    if strange := set(classes.values()) - set(info.names):
        raise CnnlibError(f"names does not list the folder {min(strange)!r}")
    return TargetSource(info, classes, partial(read_class, info.names, classes), class_of=classes.__getitem__)


def place_of(given: Mapping[str, Any]) -> str:
    """Which of ``folder``, ``file`` and ``by_folder`` the description of a target gives.

    Raises:
        CnnlibError: it gives none, several, or something of another type.
    """
    for name, (expected, words) in _PLACES.items():
        if name in given and not isinstance(given[name], expected):
            raise CnnlibError(f"{name} must be {words}; it is {given[name]!r}")
    places = [name for name in _PLACES if given.get(name)]
    if len(places) != 1:
        raise CnnlibError(
            f"it needs one of folder (images), file (a CSV table) or by_folder: true; it has "
            f"{' and '.join(places) or 'none'}"
        )
    return places[0]


def target_info(given: Mapping[str, Any]) -> TargetInfo:
    """Raises ``CnnlibError`` for a key or a value that a target cannot have."""
    try:
        return _INFO.validate_python(given)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        place = ".".join(map(str, detail["loc"]))
        raise CnnlibError(f"{place} must be {expectation(detail)}; it is {detail['input']!r}") from None


def check_options(
    reader: Callable[..., Target] | None, options: Mapping[str, Any], places: Iterable[str] = _PLACES
) -> None:
    """Raises ``CnnlibError`` for what ``reader`` does not take; ``places`` are the keys that say where a target is."""
    parameters = inspect.signature(reader).parameters.values() if reader else ()
    allowed = [each.name for each in parameters if each.kind is each.KEYWORD_ONLY]
    for name in options:
        if name not in allowed:
            raise CnnlibError(
                f"it has no option {name!r}{did_you_mean(name, allowed)}; it may have "
                f"{', '.join(['kind', *places, *ABOUT_DATA, *allowed])}"
            )
    if reader:
        check_arguments(reader, options)


def _table(task: Task, path: Path) -> TargetSource:
    """A target from the columns that predictions of ``task`` are saved with."""
    if not isinstance(task, RowTask):
        raise CnnlibError(
            f"a target of kind {task.kind!r} cannot be read from a table; give the folder of its images"
        )
    table = read_table(path, ["name"], "file")
    needed = task.needed_columns()
    if table and not any(table[0].keys() >= set(columns) for columns in needed):
        raise CnnlibError(
            f"file {path} has the columns {', '.join(table[0])}; expected name and "
            f"{', or '.join(', '.join(columns) for columns in needed)}"
        )
    optional = dict.fromkeys(task.columns, "")
    rows = {without_suffix(row["name"]): optional | row for row in table}
    counts = Counter(without_suffix(row["name"]) for row in table)
    repeated = [name for name, count in counts.items() if count > 1]
    read = partial(_read_row, task, path, rows)
    value = task.missing((1, 1)).value
    one_class = value.ndim == 0 and not value.is_floating_point()
    class_of = partial(_class_of, read) if one_class else None
    return TargetSource(task.info, rows, read, repeated=repeated, class_of=class_of)


def _read_map(
    task: type[Task],
    folder: ImageFolder,
    options: Mapping[str, Any],
    max_pixels: int,
    name: str,
    stored: Size,
    size: Size | None,
) -> Target:
    path = folder.path(name)
    array = _READERS[task.pixels](path, max_pixels)
    try:
        value, valid = task.from_pixels(array, **options)
    except CnnlibError as error:
        raise ImageFileError(f"not usable as {task.kind}", path, str(error)) from None
    return Target(resized(value, size), None if valid is None else resized(valid, size))


def _read_row(
    task: Task, path: Path, rows: Mapping[str, Mapping[str, str]], name: str, stored: Size, size: Size | None
) -> Target:
    """Not valid where a value is empty; checked in the pixels that its author sees."""
    try:
        prediction = task.load(rows[name])
        value = task.as_value(prediction)
        known = (
            value.isfinite() if value.is_floating_point() else prediction.isfinite().all()
        )  # no class is NaN
        while known.ndim > task.missing((1, 1)).valid.ndim:
            known = known.all(-1)
        _, valid = task.check(Target(value.nan_to_num(0), known), stored)
    except (ValueError, CnnlibError) as error:
        raise ImageFileError(f"not usable as {task.kind}", path, f"{name}: {error}") from None
    return Target(task.as_value(task.resize(prediction, stored, size or stored)).nan_to_num(0), valid)


def _class_of(read: Callable[[str, Size, Size | None], Target], name: str) -> str | None:
    """``None`` where it is not known."""
    value, valid = read(name, (1, 1), None)
    return str(int(value)) if valid is None or valid.all() else None


def read_class(
    names: tuple[str, ...], classes: Mapping[str, str], name: str, stored: Size, size: Size | None
) -> Target:
    """A ``TargetSource``'s ``read``, of classes that are known by the sample's name."""
    return Target(torch.tensor(names.index(classes[name])))


def resized(maps: Tensor, size: Size | None) -> Tensor:
    """(C, H, W) at another size, by the value at each new pixel's centre: no new values arise."""
    if size is None or tuple(maps.shape[-2:]) == tuple(size):
        return maps
    return F.interpolate(maps[None].double(), size, mode="nearest-exact")[0].to(maps.dtype)
