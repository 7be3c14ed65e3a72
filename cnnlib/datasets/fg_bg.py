"""Real images: a background, the same with a foreground on it, the foreground's mask, and depth."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cnnlib.checks import did_you_mean
from cnnlib.datasets.faults import Faults
from cnnlib.datasets.fg_bg_files import SampleFiles, read_mask
from cnnlib.datasets.image_files import read_color, read_gray, resize_nearest
from cnnlib.datasets.pairing import ListedBackgrounds, NumberedBackgrounds, compile_group
from cnnlib.datasets.splits import Subset, check_shares, split_indices
from cnnlib.types import CnnlibError, Sample, SampleSource, Split


class DepthDataset:
    """Folders of images with equal names: ``fg_bg/x.jpg``, ``fg_bg_mask/x.jpg``, ``fg_bg_depth/x.png``, and
    the background of each in ``bg/``.

    Files are jpg, jpeg or png, of one channel or several, turned upright as their EXIF orientation says.
    The files of a sample may differ in size: all take the size of its fg_bg image, or ``size``. Images are
    resized with antialiasing, masks and depths by nearest neighbour. A mask is 1 from the grey level 128 on.

    All names are paired when the data set is made, and files are decoded, by a few threads: every fault is
    found and told before training starts.

    Samples: ``image`` float32 (6, H, W) in [0, 1], the background and then the fg_bg image, each RGB;
    ``mask`` float32 (1, H, W), 0 or 1; ``depth`` float32 (1, H, W) in metres, ``depth_valid`` bool (1, H, W);
    ``group``: the background, or with ``group_by: foreground`` the foreground.

    Args:
        root: the folder that the other four are in.
        size: samples become ``size`` x ``size``. Without it they stay as stored, and must share one size.
        image_folder, background_folder, mask_folder, depth_folder: names below ``root``.
        background_pattern, background_divisor, background_rounding, background_name: how the background
            follows from the image's name. The first group of the regular expression is a number; divided and
            rounded, it is put into the format: by default ``img_0050`` has number 50, 50 / 10 = 5, and the
            background ``bg_005``. With rounding ``ceil`` (numbers that start at 1) so have ``img_0041`` to
            ``img_0049``; with ``floor`` (numbers that start at 0), ``img_0051`` to ``img_0059``. A divisor of
            ``None`` takes the group as text.
        background_file: instead of the four, a CSV file (a relative path starts at ``root``) with the columns
            ``image``, ``background`` and, for ``group_by: foreground``, ``foreground``.
        depth_scale: metres per grey level. ``None`` is 0.001 (millimetres) for 16-bit files, and 1/255 for
            8-bit ones, whose unit is then the farthest depth that can be stored.
        depth_zero_is_invalid: whether level 0 means that the depth is not known.
        val, test: shares of the samples for validation and test; the rest is for training.
        seed: of the split, and of ``limit``.
        group_by: what is never shared between two splits. ``background``: the test shows places that were
            not seen in training. ``foreground``: objects. ``sample``: samples are split one by one.
        foreground_pattern: a regular expression whose one group, found in the image's name, names its
            foreground; needed for ``group_by: foreground`` unless ``background_file`` has that column.
        limit: use only so many samples, chosen at random.
        check: decode only so many samples when the data set is made, spread evenly. By default all: that is
            certain, and takes some seconds for a thousand samples; for hundreds of thousands, decode them all
            once, then save the wait. A file that turns out bad later raises the same error then.

    Raises:
        CnnlibError: for an option that cannot work (it names the option), or files that cannot be used: one
            message with every kind of fault, its count, and the first few. Missing partners, unreadable
            files, masks that are no masks, two files for one name, depth of 8 bits beside 16.
    """

    image_names: ClassVar[tuple[str, ...]] = ("bg", "fg_bg")
    targets: ClassVar[Mapping[str, str]] = {"mask": "mask", "depth": "depth"}

    def __init__(
        self,
        root: str,
        size: int | None = None,
        image_folder: str = "fg_bg",
        background_folder: str = "bg",
        mask_folder: str = "fg_bg_mask",
        depth_folder: str = "fg_bg_depth",
        background_pattern: str = r"img_(\d+)",
        background_divisor: int | None = 10,
        background_rounding: Literal["floor", "ceil"] = "ceil",
        background_name: str = "bg_{:03d}",
        background_file: str | None = None,
        depth_scale: float | None = None,
        depth_zero_is_invalid: bool = True,
        val: float = 0.1,
        test: float = 0.1,
        seed: int = 0,
        group_by: Literal["background", "foreground", "sample"] = "background",
        foreground_pattern: str | None = None,
        limit: int | None = None,
        check: int | None = None,
    ) -> None:
        if depth_scale is not None and not (
            isinstance(depth_scale, (int, float)) and 0 < depth_scale < math.inf
        ):
            raise CnnlibError(f"fg_bg: depth_scale must be above 0, in metres per level; got {depth_scale!r}")
        check_shares(val, test)
        self._size = size
        self._depth_scale = depth_scale
        self._depth_zero_is_invalid = depth_zero_is_invalid
        folders = {
            "image": Path(root).expanduser() / image_folder,
            "background": Path(root).expanduser() / background_folder,
            "mask": Path(root).expanduser() / mask_folder,
            "depth": Path(root).expanduser() / depth_folder,
        }
        _check_folders(root, folders)
        if background_file is None:
            rule: NumberedBackgrounds | ListedBackgrounds = NumberedBackgrounds(
                background_pattern, background_divisor, background_rounding, background_name
            )
        else:
            rule = ListedBackgrounds(Path(root).expanduser() / background_file)
        foreground_of = _foreground_rule(group_by, foreground_pattern, rule)

        faults = Faults()
        self._files = SampleFiles(folders, rule, limit, seed, faults)
        self._files.inspect(check, one_size=size is None, faults=faults)
        self._groups = self._files.backgrounds
        if foreground_of is not None:
            self._groups = _groups(self._files.names, foreground_of, faults)
        faults.raise_any(f"fg_bg: the data set in {Path(root).absolute()}")
        self._stored_size = read_color(self._files.path("image", 0)).size
        try:
            kept_together = None if group_by == "sample" else self._groups
            self._splits = split_indices(len(self._files), val, test, seed, kept_together)
        except CnnlibError as error:
            raise CnnlibError(f"fg_bg: with group_by: {group_by}, {error}") from error

    def split(self, part: Split) -> SampleSource:
        """The samples of "train", "val" or "test".

        Raises:
            CnnlibError: for any other name.
        """
        if part not in self._splits:
            raise CnnlibError(f"a split is one of {', '.join(self._splits)}; got {part!r}")
        return Subset(self, self._splits[part])

    def __len__(self) -> int:
        """The number of samples in all splits together."""
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        path = self._files.path
        image = read_color(path("image", index))
        width, height = self._stored_size if self._size is None else (self._size, self._size)
        if self._size is None and image.size != self._stored_size:
            raise CnnlibError(
                f"fg_bg: {path('image', index)} is {image.size[1]} x {image.size[0]} pixels, others are "
                f"{height} x {width}; set size to resize all"
            )
        background = read_color(path("background", index))
        mask = resize_nearest(read_mask(path("mask", index)), height, width)
        levels = resize_nearest(read_gray(path("depth", index)), height, width)
        scale = self._depth_scale or (1 / 255 if levels.dtype == np.uint8 else 0.001)
        valid = levels > 0 if self._depth_zero_is_invalid else np.ones_like(levels, dtype=bool)
        return {
            "image": torch.cat([_to_tensor(picture, height, width) for picture in (background, image)]),
            "mask": torch.from_numpy(mask.astype(np.float32))[None],
            "depth": torch.from_numpy(levels.astype(np.float32) * np.float32(scale))[None],
            "depth_valid": torch.from_numpy(valid)[None],
            "name": self._files.names[index],
            "group": self._groups[index],
        }


def _to_tensor(picture: Image.Image, height: int, width: int) -> Tensor:
    """An RGB picture at a size, float32 (3, H, W) in [0, 1]."""
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)  # Pillow's has antialiasing
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1).contiguous().float().div_(255)


def _check_folders(root: str, folders: Mapping[str, Path]) -> None:
    faults = Faults()
    for role, folder in folders.items():
        if not folder.is_dir():
            faults.add("folders that do not exist", f"{role}_folder: {folder.absolute()}")
    faults.raise_any(f"fg_bg: root {str(root)!r}")


def _foreground_rule(
    group_by: str, foreground_pattern: str | None, rule: NumberedBackgrounds | ListedBackgrounds
) -> Callable[[str], str | None] | None:
    """Tells the foreground of an image by its name, if samples are grouped by it."""
    choices = ("background", "foreground", "sample")
    if group_by not in choices:
        raise CnnlibError(
            f"fg_bg: group_by must be one of {', '.join(choices)}; got {group_by!r}"
            f"{did_you_mean(str(group_by), choices)}"
        )
    if group_by != "foreground":
        return None
    if foreground_pattern is not None:
        pattern = compile_group("foreground_pattern", foreground_pattern)

        def foreground_of(name: str) -> str | None:
            found = pattern.search(name)
            return found[1] if found else None

        return foreground_of
    if isinstance(rule, ListedBackgrounds):
        return rule.foreground
    raise CnnlibError(
        "fg_bg: group_by: foreground needs foreground_pattern, or a background_file with the column "
        "'foreground'; neither is set"
    )


def _groups(names: list[str], foreground_of: Callable[[str], str | None], faults: Faults) -> list[str]:
    groups = []
    for name in names:
        group = foreground_of(name)
        if group is None:
            faults.add("images whose foreground is not known", name)
        else:
            groups.append(group)
    return groups
