"""Real images: a background, the same with a foreground on it, the foreground's mask, and depth."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal

import numpy as np
from annotated_types import Ge

from cnnlib.checks import checked
from cnnlib.datasets.annotation_pairs import report_left_out
from cnnlib.datasets.file_samples import FileSamples, Input
from cnnlib.datasets.file_source import FileDataSource, paired_names
from cnnlib.datasets.image_files import ImageFileError
from cnnlib.datasets.listing import (
    ImageFolder,
    Partner,
    groups_of,
    list_folders,
    read_table,
    without_suffix,
)
from cnnlib.datasets.map_files import kind_of_levels
from cnnlib.datasets.name_patterns import name_part
from cnnlib.datasets.options import USUAL_PIXELS, CheckCount, MaxPixels, Seed, Share, Side
from cnnlib.datasets.problems import Problems, opened
from cnnlib.datasets.splits import split_indices, tiny_subset
from cnnlib.datasets.target_files import TargetSource, target_source
from cnnlib.files import user_path
from cnnlib.tasks.depth import Scale
from cnnlib.types import CnnlibError, Fit, Split


class FgBg(FileDataSource):
    """The journal's folders: ``fg_bg/x.jpg``, ``fg_bg_mask/x.jpg``, ``fg_bg_depth/x.png``, the backgrounds in ``bg/``.

    What ``Folders`` says of files holds here too; only the backgrounds are found by a rule and not by equal names.

    Args:
        root: the folder that the other four are in.
        size: samples become ``size`` x ``size``. Without it they stay as stored, and must share one size.
        fit: how pictures of another shape become square: they are stretched, or ``pad`` makes the longer side ``size``
            and adds black, not valid in masks and depths, at the right and at the bottom.
        image_folder, background_folder, mask_folder, depth_folder: names below ``root``. ``None`` for one of the last
            two: there are no masks, or no depths.
        background_pattern, background_divisor, background_rounding, background_name: how the background
            follows from the image's name. The first group of the regular expression is a number; divided and
            rounded, it is put into the format: by default ``img_0050`` has number 50, 50 / 10 = 5, and the
            background ``bg_005``. With rounding ``ceil`` (numbers that start at 1) so have ``img_0041`` to
            ``img_0049``; with ``floor`` (numbers that start at 0), ``img_0051`` to ``img_0059``. A divisor of
            ``None`` takes the group as text.
        background_file: instead of the four, a CSV file (a relative path starts at ``root``) with the columns
            ``image``, ``background`` and, where ``group_by`` is ``foreground`` or ``both``, ``foreground``.
        depth_scale: metres per grey level. ``None`` is 0.001 (millimetres) for 16-bit files, and 1/255 for
            8-bit ones, whose unit is then the farthest depth that can be stored.
        depth_zero_is_invalid: whether level 0 means that the depth is not known.
        val, test: shares of the samples for validation and test; the rest is for training.
        seed: of the split, and of ``limit``.
        group_by: what is never shared between two splits. ``background``: the test shows places that were
            not seen in training. ``foreground``: objects. ``both``: each kind is divided by the shares, and samples
            whose background and foreground fall on different sides are left out, and counted. ``sample``: samples are
            split one by one.
        foreground_pattern: a regular expression whose one group, found in the image's name, names its
            foreground; needed for ``group_by: foreground`` and ``both`` unless ``background_file`` has that column.
        limit: use only so many samples, chosen at random.
        max_pixels: a file that says that it has more is not decoded, and is an error like every other.
        check: how many samples ``check`` decodes, spread evenly; by default all.

    Raises:
        CnnlibError: as ``Folders``.

    Attributes:
        left_out: the names of samples that are in no split.
    """

    @checked
    def __init__(
        self,
        root: str,
        size: Side | None = None,
        fit: Fit = "stretch",
        image_folder: str = "fg_bg",
        background_folder: str = "bg",
        mask_folder: str | None = "fg_bg_mask",
        depth_folder: str | None = "fg_bg_depth",
        background_pattern: str = r"img_(\d+)",
        background_divisor: Annotated[int, Ge(1)] | None = 10,
        background_rounding: Literal["floor", "ceil"] = "ceil",
        background_name: str = "bg_{:03d}",
        background_file: str | None = None,
        depth_scale: Scale | None = None,
        depth_zero_is_invalid: bool = True,
        val: Share = 0.1,
        test: Share = 0.1,
        seed: Seed = 0,
        group_by: Literal["background", "foreground", "both", "sample"] = "background",
        foreground_pattern: str | None = None,
        limit: Annotated[int, Ge(3)] | None = None,
        max_pixels: MaxPixels = USUAL_PIXELS,
        check: CheckCount | None = None,
    ) -> None:
        base, problems = opened(root)
        folders = _folders(
            base,
            {
                "image_folder": image_folder,
                "background_folder": background_folder,
                "mask_folder": mask_folder,
                "depth_folder": depth_folder,
            },
            problems,
        )
        rule, expected = _background_rule(
            root,
            background_pattern,
            background_divisor,
            background_rounding,
            background_name,
            background_file,
        )
        inputs = {
            "bg": Input(folders["background_folder"], rule, expected),
            "fg_bg": Input(folders["image_folder"]),
        }
        targets = _targets(base, folders, depth_scale, depth_zero_is_invalid, max_pixels)
        names = paired_names(inputs, targets, problems)
        if limit is not None:
            names = [names[index] for index in tiny_subset(len(names), limit, seed)]
        listed = background_file and base / background_file
        kinds = _groups(names, group_by, rule, foreground_pattern, listed, problems)
        problems.raise_any()
        parts = _divided(len(names), val, test, seed, group_by, kinds)
        super().__init__(
            FileSamples(names, inputs, targets, size, kinds[0], fit, max_pixels), parts, problems.what, check
        )
        used = set(np.concatenate(list(parts.values())).tolist())
        self.left_out = [name for index, name in enumerate(names) if index not in used]
        # Folds know one kind of group: they would show foregrounds of the test in training.
        self.fixed_test = group_by == "both"

    def check(self) -> None:
        """As every data set of files; reports on stderr what is left out."""
        super().check()
        kind = "images whose background and foreground fall into different splits (group_by: both)"
        report_left_out(self._what, {kind: self.left_out})

    @classmethod
    def partners(cls, **options: Any) -> dict[str, Partner]:
        """How the files of the inputs but the last are called, by the name of the last one's, with these options."""
        given = inspect.signature(cls).bind(**options)
        given.apply_defaults()
        return {"bg": _background_rule(**given.arguments)[0]}


def _folders(base: Path, roles: Mapping[str, str | None], problems: Problems) -> dict[str, ImageFolder]:
    """The folders by the options that name them."""
    if roles["mask_folder"] is roles["depth_folder"] is None:
        raise CnnlibError(
            "mask_folder and depth_folder are both null, so there is no target; give one of them"
        )
    places = {role: {"": base / name} for role, name in roles.items() if name is not None}
    return list_folders(places, problems, maps={"mask_folder", "depth_folder"})


def _targets(
    base: Path,
    folders: Mapping[str, ImageFolder],
    depth_scale: float | None,
    depth_zero_is_invalid: bool,
    max_pixels: int,
) -> dict[str, TargetSource]:
    targets, images = {}, folders["image_folder"]
    if masks := folders.get("mask_folder"):
        targets["mask"] = target_source("mask", {"folder": str(masks)}, base, images, masks, max_pixels)
    if depths := folders.get("depth_folder"):
        depth = {"folder": str(depths), "scale": depth_scale, "zero_is_invalid": depth_zero_is_invalid}
        if depth_scale is not None or _in_metres(depths):
            depth["unit"] = "m"
        targets["depth"] = target_source("depth", depth, base, images, depths, max_pixels)
    return targets


def _groups(
    names: Sequence[str],
    group_by: str,
    background_of: Partner,
    foreground_pattern: str | None,
    background_file: Path | None,
    problems: Problems,
) -> list[list[str]]:
    """The group of each sample, of each kind that ``group_by`` names; those by the background where it names none."""
    kinds = [] if group_by == "foreground" else [groups_of(names, background_of, "background", problems)]
    if group_by in ("foreground", "both"):
        foreground_of = _foreground_rule(group_by, foreground_pattern, background_file)
        kinds.append(groups_of(names, foreground_of, "foreground", problems))
    return kinds


def _divided(
    count: int, val: float, test: float, seed: int, group_by: str, kinds: Sequence[Sequence[str]]
) -> dict[Split, np.ndarray]:
    """The indices of each split."""
    try:
        return split_indices(count, val, test, seed, *(() if group_by == "sample" else kinds))
    except CnnlibError as error:
        raise CnnlibError(f"with group_by: {group_by}, {error}") from error


def _background_rule(
    root: str,
    background_pattern: str,
    background_divisor: int | None,
    background_rounding: str,
    background_name: str,
    background_file: str | None,
    **_: Any,
) -> tuple[Partner, str]:
    """From an image's name to its background's, and the names for which it is known, in words."""
    if background_file is not None:
        path = user_path(root, "root") / background_file
        return _listed(path, "background").get, f"names listed in the column 'image' of {path}"
    number_of = name_part("background_pattern", background_pattern)
    _check_format(background_name, "text" if background_divisor is None else 1)
    rule = partial(_numbered, number_of, background_divisor, background_rounding == "ceil", background_name)
    return rule, f"names in which background_pattern {background_pattern!r} is found"


def _numbered(number_of: Partner, divisor: int | None, up: bool, form: str, name: str) -> str | None:
    found = number_of(name)
    if found is None or divisor is None:
        return None if found is None else form.format(found)
    if not found.isdecimal():
        return None
    number = int(found)
    return form.format(-(-number // divisor) if up else number // divisor)


def _check_format(form: str, key: int | str) -> None:
    try:
        places = [place for place in Formatter().parse(form) if place[1] is not None]
        if not places:
            raise ValueError("it has no place for it")
        for _, field, spec, conversion in places:  # others reach into the object, or write megabytes
            if field not in ("", "0") or conversion or not re.fullmatch(r"([0 ]?[<>^])?\d{0,3}[ds]?", spec):
                raise ValueError("it has more than a place for it")
        form.format(key)
    except (ValueError, IndexError) as error:
        raise CnnlibError(
            f"background_name {form!r} cannot format {key!r} ({error}); expected a format such as 'bg_{{:03d}}', or "
            "'bg_{}' where background_divisor is null"
        ) from error


def _listed(path: Path, column: str) -> dict[str, str]:
    """A column of ``background_file``, by the image's name."""
    found: dict[str, str] = {}
    for row in read_table(path, ["image", column], "background_file"):
        image, value = without_suffix(row["image"]), without_suffix(row[column])
        if found.setdefault(image, value) != value:
            raise CnnlibError(
                f"background_file {path}: {image!r} has the {column} {value!r} in one line and {found[image]!r} in "
                "another; keep one"
            )
    return found


def _foreground_rule(group_by: str, pattern: str | None, background_file: Path | None) -> Partner:
    if pattern is not None:
        return name_part("foreground_pattern", pattern)
    if background_file is not None:
        return _listed(background_file, "foreground").get
    raise CnnlibError(
        f"group_by: {group_by} needs foreground_pattern, or a background_file with the column 'foreground'; neither "
        "is set"
    )


def _in_metres(folder: ImageFolder) -> bool:
    for name in folder:
        with suppress(ImageFileError):  # ``check`` reports it
            return kind_of_levels(folder.path(name)) != "8 bits"
    return False
