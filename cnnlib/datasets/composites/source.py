"""The data set of composites."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, TypeAlias, get_args

import numpy as np
import torch
from annotated_types import Ge, Gt, Le, MaxLen, MinLen

from cnnlib.checks import checked
from cnnlib.datasets.composites.compose import compose, depth_levels
from cnnlib.datasets.composites.division import Kind, divide, used_pictures
from cnnlib.datasets.composites.names import composite_name, shared_names
from cnnlib.datasets.composites.pictures import check_depths, open_pictures
from cnnlib.datasets.composites.recipe import Recipes
from cnnlib.datasets.file_source import check_names
from cnnlib.datasets.listing import ImageFolder, list_folders
from cnnlib.datasets.options import USUAL_PIXELS, MaxPixels, Seed, Share, Side
from cnnlib.datasets.problems import Problems
from cnnlib.datasets.splits import split_of
from cnnlib.files import file_hash, file_stem, user_path
from cnnlib.tasks import TASKS
from cnnlib.tasks.depth import Scale
from cnnlib.types import CnnlibError, Sample, Split, Target, TargetInfo

Count: TypeAlias = Annotated[int, Ge(1)]
Strength: TypeAlias = Annotated[float, Ge(0), Le(1)]


class CompositeSplit:
    """Some of a virtual data set's samples.

    Args:
        indices: of the samples in the whole.
    """

    def __init__(self, source: Composites, indices: np.ndarray) -> None:
        self._source = source
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        return self._source.sample(self._own(index))

    def labels(self, index: int) -> Collection[str]:
        self._own(index)
        return list(self._source.targets)

    def group(self, index: int) -> str:
        """As ``Composites.group_of``."""
        return self._source.group_of(self._own(index))

    def pictures(self, indices: np.ndarray) -> list[Path]:
        """The files of what no other split may have."""
        return self._source.pictures_of(self._indices[indices])

    def _own(self, index: int) -> int:
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} composites; there is no index {index}")
        return int(self._indices[index])


class Composites:
    """Cut-outs on backgrounds, put together when a sample is asked for: nothing is stored but the pictures themselves.

    There are foregrounds x 2 (mirrored) x backgrounds x ``positions`` samples: 208 cut-outs and 110 backgrounds with 10
    positions make 457,600. Sample i is a pure function of (seed, i): which foreground, where it stands, how large it
    is. Cut-outs are resized with antialiasing and laid over the background by their alpha; the mask is where they cover
    half of a pixel or more. The inputs are the background, ``bg``, and the composite, ``fg_bg``.

    Pictures are decoded once, at the size that is asked for, and kept in the cache.

    Args:
        foregrounds: a folder of pictures with transparency (PNG): what is opaque is the foreground.
        backgrounds: a folder of photographs; their middle becomes ``size`` x ``size``.
        depths: a folder with a depth map of each background, of the same name, paired by name: 8 or 16 bits, or floats,
            in any format that ``folders`` reads maps from. A foreground has the depth of the ground at its feet.
            Without it there is no depth.
        size: height and width of the samples.
        positions: of each foreground on each background, mirrored or not.
        flips: each foreground also mirrored.
        scale: the smallest and the largest height of a foreground, as a share of the picture's.
        shadow: how much of the light a soft shadow under the foreground takes; 0: no shadow.
        match_colors: how far the foreground's mean colour goes towards that of its place; 0: not at all.
        background_input: false leaves the background out of the input, which is then the composite alone.
        depth_scale, depth_zero_is_invalid: of ``depths``, as in ``fg_bg``.
        val, test: shares of the backgrounds, and of the foregrounds, that only validation and test have.
        apart: what is in no two splits: both by default. Of an empty list, samples are divided one by one, and the same
            persons and places are in training and test: their figures say nothing of new ones.
        train_count, val_count, test_count: so many of a split's samples, drawn at random; by default all.
        seed: of all that is drawn.
        max_pixels: a file that says that it has more is not decoded, and is an error like every other.
        cache_dir: where decoded pictures are kept; by default ``$CNNLIB_CACHE`` or the user's cache folder.

    Raises:
        CnnlibError: with every folder that cannot be used, and backgrounds without a depth map; too few pictures for
            three splits. ``split``, ``sample`` and ``check`` raise it with every picture that cannot be used.

    Attributes:
        skipped: the composites that ``skip_broken`` has left out; ``None`` before.
    """

    @checked
    def __init__(
        self,
        foregrounds: str,
        backgrounds: str,
        depths: str | None = None,
        size: Annotated[Side, Ge(16)] = 224,
        positions: Count = 20,
        flips: bool = True,
        scale: Annotated[list[Annotated[float, Gt(0), Le(1)]], MinLen(2), MaxLen(2)] | None = None,
        shadow: Strength = 0.0,
        match_colors: Strength = 0.0,
        background_input: bool = True,
        depth_scale: Scale | None = None,
        depth_zero_is_invalid: bool = True,
        val: Share = 0.1,
        test: Share = 0.2,
        apart: list[Kind] | None = None,
        train_count: Count | None = None,
        val_count: Count | None = None,
        test_count: Count | None = None,
        seed: Seed = 0,
        max_pixels: MaxPixels = USUAL_PIXELS,
        cache_dir: str | None = None,
    ) -> None:
        low, high = scale or (0.25, 0.75)
        if low > high:
            raise CnnlibError(f"scale must be [smallest, largest]; it is [{low:g}, {high:g}]")
        self._apart: Collection[Kind] = ("background", "foreground") if apart is None else apart
        what = f"the data set of {foregrounds} on {backgrounds}"
        problems = Problems(what)
        roles = {"foregrounds": foregrounds, "backgrounds": backgrounds, "depths": depths}
        folders = _listed(roles, problems)
        self.size, self.fit = size, "stretch"
        self.inputs = {"bg": 3, "fg_bg": 3} if background_input else {"fg_bg": 3}
        self._depth = {"scale": depth_scale, "zero_is_invalid": depth_zero_is_invalid}
        self._names = sorted(folders["foregrounds"]), sorted(folders["backgrounds"])
        _check_composite_names(self._names, positions, problems)
        self._looks = shadow, match_colors
        # Folds know one kind of group: they would show foregrounds of the test in training.
        self.fixed_test = set(self._apart) == {"background", "foreground"}
        self._folders = folders
        self._broken = Problems(what)
        self._pictures = open_pictures(
            folders["foregrounds"],
            folders["backgrounds"],
            folders.get("depths"),
            size,
            cache_dir,
            max_pixels,
            self._broken,
        )
        self.skipped: tuple[str, ...] | None = None
        self.targets = _targets(self._pictures.depths, depth_scale)
        self._recipes = Recipes(
            self._pictures.shapes, len(self._names[1]), positions, flips, size, (low, high), seed
        )
        counts = dict(zip(get_args(Split), (train_count, val_count, test_count), strict=True))
        used = used_pictures(self._recipes)
        self._splits = divide(used, self._names, self._apart, val, test, counts, seed)

    def __len__(self) -> int:
        return len(self._recipes)

    def split(self, part: Split) -> CompositeSplit:
        indices = split_of(self._splits, part)
        self.check()
        return CompositeSplit(self, indices)

    def check(self) -> None:
        """Raises ``CnnlibError`` with every picture that cannot be used, unless ``skip_broken`` has left them out."""
        if self.skipped is None:
            self._broken.raise_any()

    def skip_broken(self, most: float) -> None:
        """Leaves out of all splits the composites of broken pictures, and reports these on stderr.

        The others are the same composites, in the splits that they are in.

        Args:
            most: the largest share of all composites that may be left out.

        Raises:
            CnnlibError: there are more.
        """
        if self.skipped is not None:
            return
        lost = self._lost()
        self._broken.leave_out(int(lost.sum()), len(lost), most)
        self.skipped = tuple(self.name_of(index) for index in np.flatnonzero(lost).tolist())
        self._splits = {part: own[~lost[own]] for part, own in self._splits.items()}

    def parts_of(self, index: int) -> tuple[str, str]:
        """The names of a sample's foreground and background."""
        foreground, _, background, _ = self._recipes.parts(index)
        return self._names[0][foreground], self._names[1][background]

    def group_of(self, index: int) -> str:
        """Samples that share it are not independent: the background's name, or, where only foregrounds are kept apart,
        the foreground's.
        """
        foreground, background = self.parts_of(index)
        return foreground if set(self._apart) == {"foreground"} else background

    def digest(self) -> str:
        """Of the contents of all pictures."""
        files = [folder.path(name) for folder in self._folders.values() for name in sorted(folder)]
        return hashlib.sha256("".join(map(file_hash, files)).encode()).hexdigest()

    def pictures_of(self, indices: np.ndarray) -> list[Path]:
        """The files that some samples are made of, of the kinds that are kept apart."""
        used = used_pictures(self._recipes)
        kinds = zip(used._fields, used, self._names, strict=True)
        return [
            self._folders[f"{kind}s"].path(names[number])
            for kind, numbers, names in kinds
            if kind in self._apart
            for number in np.unique(numbers[indices]).tolist()
        ]

    def name_of(self, index: int) -> str:
        foreground, mirrored, background, position = self._recipes.parts(index)
        return composite_name(self._names[0][foreground], self._names[1][background], mirrored, position)

    def background(self, index: int) -> np.ndarray:
        """What a sample stands in front of, uint8 (H, W, 3)."""
        return np.ascontiguousarray(
            self._pictures.backgrounds[self._recipes.parts(index)[2]].transpose(1, 2, 0)
        )

    def sample(self, index: int) -> Sample:
        """Sample ``index`` of the whole.

        Raises:
            CnnlibError: as ``check``.
        """
        self.check()
        recipe = self._recipes[index]
        image = np.empty((3 * len(self.inputs), self.size, self.size), np.float32)
        np.divide(self._pictures.backgrounds[recipe.background], np.float32(255), out=image[-3:])
        image[:3] = image[-3:]
        mask = compose(self._pictures, recipe, image[-3:], *self._looks)
        sample: Sample = {
            "image": torch.from_numpy(image),
            "mask": Target(torch.from_numpy(mask[None])),
            "name": self.name_of(index),
            "group": self.group_of(index),
        }
        if "depth" in self.targets:
            levels = depth_levels(self._pictures, recipe, mask, self._depth["zero_is_invalid"])
            sample["depth"] = TASKS["depth"].from_pixels(levels, **self._depth)
        return sample

    def _lost(self) -> np.ndarray:
        """Which of all samples need a broken picture, bool."""
        pairs = zip(used_pictures(self._recipes), self._pictures.broken, strict=True)
        return np.logical_or(*(np.isin(numbers, list(broken)) for numbers, broken in pairs))


def _listed(roles: Mapping[str, str | None], problems: Problems) -> dict[str, ImageFolder]:
    """The folders by the options that name them; raises ``CnnlibError`` where one cannot be used."""
    places = {role: {"": user_path(place, role)} for role, place in roles.items() if place is not None}
    folders = list_folders(places, problems, maps={"depths"})
    if "depths" in folders:
        check_depths(folders["backgrounds"], folders["depths"], problems)
    for role in ("foregrounds", "backgrounds"):
        check_names(sorted(folders[role]), problems)
    problems.raise_any()
    return folders


def _check_composite_names(names: tuple[list[str], list[str]], positions: int, problems: Problems) -> None:
    """Raises ``CnnlibError`` where names of composites are too long, or two would be equal.

    Args:
        names: of the foregrounds, and of the backgrounds.
    """
    longest = (max(each, key=lambda name: len(file_stem(name).encode())) for each in names)
    check_names([composite_name(*longest, False, positions - 1)], problems)
    for twins in shared_names(*names):
        problems.add("composites that would have one name; rename a file of each", twins)
    problems.raise_any()


def _targets(depths: np.ndarray | None, depth_scale: float | None) -> dict[str, TargetInfo]:
    targets = {"mask": TargetInfo("mask")}
    if depths is not None:
        in_metres = depth_scale is not None or depths.dtype != np.uint8
        targets["depth"] = TargetInfo("depth", unit="m" if in_metres else "")
    return targets
