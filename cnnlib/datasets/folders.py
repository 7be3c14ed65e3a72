"""Image files in folders, paired by name: the data set that everybody has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import MinLen

from cnnlib.checks import checked
from cnnlib.datasets.file_samples import FileSamples, Input
from cnnlib.datasets.file_source import FileDataSource, paired_names
from cnnlib.datasets.listing import composed, groups_of, list_folders, without_suffix
from cnnlib.datasets.name_patterns import name_part
from cnnlib.datasets.options import USUAL_PIXELS, CheckCount, MaxPixels, Seed, Share, Side
from cnnlib.datasets.problems import Problems, opened
from cnnlib.datasets.splits import split_free, split_indices
from cnnlib.datasets.target_files import place_of, target_source
from cnnlib.files import read_bytes
from cnnlib.types import CnnlibError, Fit, Split


class Folders(FileDataSource):
    """Any inputs and any targets, a folder each: ``images/x.jpg``, ``masks/x.png``.

    Pictures are JPEG, PNG, WebP, TIFF, BMP or PGM, PPM and PBM, of one channel or several, turned upright as their EXIF
    orientation says; maps may also be PFM, OpenEXR, npy or npz with one array (H, W). The files of a sample have equal
    names and may differ in size: all take the size of its last input. Images are resized with antialiasing, targets by
    nearest neighbour. A sample without a file of a target has no such target.

    Names are paired when the data set is made; ``check`` decodes the files.

    Args:
        root: the folder that the others are in.
        inputs: the folder of each picture that an image is made of, ``{image: photos}``; the last one's files are the
            samples, and what the targets belong to.
        targets: by name, a folder (the name is then the kind: ``{mask: masks}``), or a mapping with one of ``folder``,
            ``file`` (a CSV table: ``name`` and the columns that such predictions are saved with, in pixels) or
            ``by_folder: true`` (classes: each is a folder of samples); and ``kind``, ``names`` of classes or points,
            ``flip_order``, ``unit``, ``multi_label: true`` (labels: several classes of an image), ``inverse: true``
            (inverse depths), and what else the kind takes: depth ``scale``, ``zero_is_invalid`` and ``swap_bytes`` (the
            bytes of 16-bit levels stand in the wrong order), semantic ``ignore_index``, normals ``green`` (``up`` or
            ``down``, where a bright green points).
        size: samples become ``size`` x ``size``. Without it they stay as stored, and must share one size.
        fit: how pictures of another shape become square: they are stretched, or ``pad`` makes the longer side ``size``
            and adds black, not valid in maps, at the right and at the bottom.
        splits: of each of train, val and test a folder (``train/images`` or ``images/train``; it starts the names of
            its samples: ``train/x``), or a text file with a name per line; images that are in none are not used. Where
            val is left out, it is a part of train, for papers that test on their ``val`` list: ``{train: train.txt,
            test: val.txt}``. Without it, samples are split at random.
        val, test: the shares of a random split; the rest is for training.
        seed: of the random split.
        group_pattern: a regular expression whose one group, found in a sample's name, names its group; the random
            split never divides a group.
        max_pixels: a file that says that it has more is not decoded, and is an error like every other.
        check: how many samples ``check`` decodes, spread evenly; by default all.

    Raises:
        CnnlibError: for an option that cannot work (it names the option), or files that do not pair: one message with
            every kind of problem, its count, and the first few.
    """

    @checked
    def __init__(
        self,
        root: str,
        inputs: Annotated[dict[str, str], MinLen(1)],
        targets: Annotated[dict[str, str | dict[str, Any]], MinLen(1)],
        size: Side | None = None,
        fit: Fit = "stretch",
        splits: dict[Split, str] | None = None,
        val: Share = 0.1,
        test: Share = 0.1,
        seed: Seed = 0,
        group_pattern: str | None = None,
        max_pixels: MaxPixels = USUAL_PIXELS,
        check: CheckCount | None = None,
    ) -> None:
        base, problems = opened(root)
        group_of = None if group_pattern is None else name_part("group_pattern", group_pattern)
        described = {
            key: given if isinstance(given, Mapping) else {"folder": given} for key, given in targets.items()
        }
        places = {}
        for key, given in described.items():
            with _named(key):
                places[key] = place_of(given)
        roles = {f"inputs.{key}": folder for key, folder in inputs.items()}
        roles |= {f"targets.{key}": described[key]["folder"] for key in places if places[key] == "folder"}
        as_folders = _split_folders(base, splits)
        folders = list_folders(
            {role: _places(base, folder, as_folders) for role, folder in roles.items()},
            problems,
            nested="by_folder" in places.values(),
            maps={f"targets.{key}" for key in places},
        )
        pictures = {key: Input(folders[f"inputs.{key}"]) for key in inputs}
        main = list(pictures.values())[-1].folder
        for folder in main.empty:
            problems.add("folders of classes without an image file", str(folder))
        sources = {}
        for key, given in described.items():
            with _named(key):
                sources[key] = target_source(
                    key, given, base, main, folders.get(f"targets.{key}"), max_pixels
                )
        names = paired_names(pictures, sources, problems)
        listed = None if splits is None else _listed(base, names, splits, problems)
        if listed is not None:
            names = sorted({name for part in listed.values() for name in part})
        groups = None if group_of is None else groups_of(names, group_of, "group", problems)
        problems.raise_any()
        if listed is None:
            parts = split_indices(len(names), val, test, seed, groups)
        else:
            index = {name: i for i, name in enumerate(names)}
            parts = {part: np.array([index[name] for name in listed[part]], np.int64) for part in listed}
            if "val" not in parts:
                parts = split_free(len(names), parts["test"], val, seed, groups)
        super().__init__(
            FileSamples(names, pictures, sources, size, groups, fit, max_pixels), parts, problems.what, check
        )


@contextmanager
def _named(key: str) -> Iterator[None]:
    """Errors name the target."""
    try:
        yield
    except CnnlibError as error:
        raise CnnlibError(f"targets.{key}: {error}") from None


def _split_folders(root: Path, splits: Mapping[Split, str] | None) -> list[str]:
    """The folders that the splits are in; none where text files list them."""
    if splits is None:
        return []
    if missing := [part for part in ("train", "test") if part not in splits]:
        raise CnnlibError(f"splits must name train and test, and may name val; {missing[0]} is missing")
    return [place for place in splits.values() if not (root / place).is_file()]


def _places(root: Path, folder: str, splits: Sequence[str]) -> dict[str, Path]:
    """Where the files of one folder lie, and what that puts in front of their names."""
    return {
        f"{part}/": root / part / folder if (root / part / folder).is_dir() else root / folder / part
        for part in splits
    } or {"": root / folder}


def _listed(
    root: Path, names: Sequence[str], splits: Mapping[Split, str], problems: Problems
) -> dict[Split, list[str]]:
    """The samples of each split, by its folder or by the file that lists its names."""
    known = set(names)
    seen: dict[str, Split] = {}
    parts: dict[Split, list[str]] = {}
    for part, place in splits.items():
        if (root / place).is_file():
            listed = [without_suffix(line.strip()) for line in _lines(root / place) if line.strip()]
        else:
            listed = [name for name in names if name.startswith(composed(f"{place}/"))]
        for name in listed:
            if name not in known:
                problems.add(f"names in {place} without an image", name)
            if seen.setdefault(name, part) != part:
                problems.add("names in two splits", f"{name}: {seen[name]} and {part}")
        parts[part] = sorted(known.intersection(listed))
        if not listed:
            problems.add("splits without a sample", f"{part}: {place}")
    return parts


def _lines(path: Path) -> list[str]:
    try:
        return read_bytes(path).decode("utf-8-sig").splitlines()
    except (OSError, CnnlibError, UnicodeDecodeError) as error:
        raise CnnlibError(f"splits: {path} cannot be read as a list of names, UTF-8 text ({error})") from None
