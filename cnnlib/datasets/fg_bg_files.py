"""The files of a folder data set of masks and depths: pairing them by name, and looking into them."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress

from cnnlib.datasets.faults import Faults
from cnnlib.datasets.image_files import ImageFileError, list_images, read_color, read_gray
from cnnlib.datasets.pairing import ListedBackgrounds, NumberedBackgrounds
from cnnlib.datasets.splits import tiny_subset
from cnnlib.files import file_stem
from cnnlib.types import CnnlibError

# A mask saved as JPEG, or with soft edges, has few levels between these; a photograph or a depth map, most.
_DARK, _LIGHT = 32, 223
_MAX_SHARE_BETWEEN = 0.25

_THREADS = min(8, os.cpu_count() or 1)
_CHUNK = 1024


def read_mask(path: Path) -> np.ndarray:
    """A mask (H, W), bool: true from the grey level 128 (of 255) on.

    Raises:
        ImageFileError: if the file cannot be read, or is no mask: more than a quarter of its pixels is
            neither dark nor light, or it has levels above 0 but no foreground.
    """
    levels = read_gray(path)
    white = np.iinfo(levels.dtype).max
    if 0 < levels.max() < (white + 1) // 2:
        reason = (
            f"its highest level is {levels.max()} of {white}; foreground must be from {(white + 1) // 2} on"
        )
        raise ImageFileError("not a mask", path, reason)
    if levels.dtype == np.uint16:
        levels = levels // 257
    between = ((levels >= _DARK) & (levels <= _LIGHT)).mean()
    if between > _MAX_SHARE_BETWEEN:
        raise ImageFileError("not a mask", path, f"{between:.0%} of its pixels are neither dark nor light")
    return levels >= 128


@dataclass(frozen=True)
class _Look:
    """What one file turned out to be.

    Attributes:
        kind: what all files of its role must have in common, in words; "" if that is nothing.
        blank: whether it is 0 everywhere.
        error: why it cannot be used.
    """

    kind: str = ""
    blank: bool = False
    error: ImageFileError | None = None

    def tell(self, faults: Faults) -> None:
        if self.error is not None:
            faults.add(f"files that are {self.error.kind}", self.error.detail)


class SampleFiles:
    """The samples whose files are all there. A sample is an index; only its names are kept.

    Args:
        folders: of "image", "background", "mask" and "depth"; all exist.
        rule: tells the background of an image.
        limit: keep only so many samples, chosen at random by ``seed``.
        faults: receives what does not pair.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        rule: NumberedBackgrounds | ListedBackgrounds,
        limit: int | None,
        seed: int,
        faults: Faults,
    ) -> None:
        self._folders = folders
        suffixes = {role: _scan(folder, faults) for role, folder in folders.items()}
        complete = _same_names(folders, suffixes, faults)
        background_of = _find_backgrounds(
            complete, rule, suffixes["background"], folders["background"], faults
        )
        self.names = list(background_of)
        if limit is not None:
            self.names = [self.names[index] for index in tiny_subset(len(self.names), limit, seed)]
        _check_names(self.names, faults)
        self.backgrounds = [background_of[name] for name in self.names]
        # Interned strings: a reference each.
        self._suffixes = {
            role: [suffixes[role][n] for n in self.names] for role in ("image", "mask", "depth")
        }

    def __len__(self) -> int:
        return len(self.names)

    def path(self, role: str, index: int) -> Path:
        """The file of a sample: its "image", "background", "mask" or "depth"."""
        if role == "background":
            return self._folders[role] / self.backgrounds[index]
        return self._folders[role] / (self.names[index] + self._suffixes[role][index])

    def inspect(self, count: int | None, one_size: bool, faults: Faults) -> None:
        """Decodes the files of ``count`` samples, spread evenly (``None``: of all).

        Args:
            one_size: whether images of different sizes are a fault.
            faults: receives what cannot be used.
        """
        count = min(len(self), count or len(self))
        indices = np.linspace(0, len(self) - 1, count).round().astype(int).tolist()
        blank = {"mask": True, "depth": True}
        first_of_background = {self.backgrounds[index]: index for index in reversed(indices)}.values()
        sizes: dict[str, str] = {}
        depth_kinds: dict[str, str] = {}
        console = Console(stderr=True)
        bar = Progress(console=console, transient=True, disable=not console.is_terminal)
        with ThreadPoolExecutor(_THREADS) as pool, bar:
            checking = bar.add_task("checking files", total=count)
            for look in pool.map(lambda index: self._look("background", index), first_of_background):
                look.tell(faults)
            for start in range(0, count, _CHUNK):  # in one go, the pool would queue every sample
                chunk = indices[start : start + _CHUNK]
                for index, looks in zip(chunk, pool.map(self._look_at_sample, chunk), strict=True):
                    for look in looks.values():
                        look.tell(faults)
                    sizes.setdefault(looks["image"].kind, self.names[index])
                    depth_kinds.setdefault(looks["depth"].kind, self.names[index])
                    blank = {role: is_blank and looks[role].blank for role, is_blank in blank.items()}
                bar.advance(checking, len(chunk))
        if one_size:
            _add_if_several("images of different sizes; set size to resize them", sizes, faults)
        for role in [role for role, is_blank in blank.items() if is_blank and count == len(self) > 0]:
            faults.add(f"a {role} that is 0 everywhere, in all samples", str(self._folders[role]))
        _add_if_several("depth files of different kinds, which cannot share one scale", depth_kinds, faults)

    def _look_at_sample(self, index: int) -> dict[str, _Look]:
        return {role: self._look(role, index) for role in ("image", "mask", "depth")}

    def _look(self, role: str, index: int) -> _Look:
        path = self.path(role, index)
        try:
            if role == "mask":
                return _Look(blank=not read_mask(path).any())
            if role == "depth":
                levels = read_gray(path)
                return _Look(f"{8 * levels.itemsize} bits", blank=not levels.any())
            width, height = read_color(path).size
            return _Look(f"{height} x {width} pixels")
        except ImageFileError as error:
            return _Look(error=error)


def _scan(folder: Path, faults: Faults) -> dict[str, str]:
    suffixes, ambiguous = list_images(folder)
    for stem in ambiguous:
        faults.add("names that two files of one folder have", f"{folder / stem}.*")
    if not suffixes:
        faults.add("folders without a jpg or png file", str(folder))
    return suffixes


def _same_names(
    folders: Mapping[str, Path], suffixes: Mapping[str, Mapping[str, str]], faults: Faults
) -> list[str]:
    """The names that image, mask and depth have in common, sorted."""
    images = suffixes["image"].keys()
    for role in ("mask", "depth"):
        partners = suffixes[role].keys()
        if not images or not partners:
            continue  # the empty folder is told; every other name would follow
        for name in sorted(images - partners):
            faults.add(f"images without a {role} of the same name in {folders[role].name}/", name)
        for name in sorted(partners - images):
            faults.add(f"{role} files without an image of the same name in {folders['image'].name}/", name)
    return sorted(images & suffixes["mask"].keys() & suffixes["depth"].keys())


def _check_names(names: list[str], faults: Faults) -> None:
    """Predictions are saved under the samples' names, on file systems that may take A and a for one."""
    seen: dict[str, str] = {}
    for name in names:
        try:
            file_stem(name)
        except CnnlibError as error:
            faults.add("names that predictions cannot be saved under", str(error))
        twin = seen.setdefault(name.casefold(), name)
        if twin != name:
            faults.add("names that differ in upper and lower case alone", f"{twin}, {name}")


def _find_backgrounds(
    names: list[str],
    rule: NumberedBackgrounds | ListedBackgrounds,
    suffixes: Mapping[str, str],
    folder: Path,
    faults: Faults,
) -> dict[str, str]:
    """``{name: file name of its background}``, without the names that have none."""
    missing = f"images whose background is not in {folder.name}/ (the background_... options make its name)"
    found = {}
    for name in names:
        background = rule.background(name)
        if background is None:
            faults.add(f"images whose background is not known; expected {rule.expected}", name)
        elif background in suffixes:
            found[name] = sys.intern(background + suffixes[background])
        elif suffixes:
            faults.add(missing, f"{name} needs {background}")
    return found


def _add_if_several(kind: str, examples: dict[str, str], faults: Faults) -> None:
    """A fault for each of several ``{what: first name}`` that should be one."""
    known = {what: name for what, name in examples.items() if what}
    if len(known) > 1:
        for what, name in known.items():
            faults.add(kind, f"{what}: {name}")
