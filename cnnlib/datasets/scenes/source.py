"""The embedded data set: rendered once, then read from disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar

import numpy as np
import torch
from annotated_types import Ge
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cnnlib.checks import checked
from cnnlib.datasets.cache import ArraySpec, cache_root, cached_arrays
from cnnlib.datasets.scenes.objects import LANDMARKS
from cnnlib.datasets.scenes.render import CLASSES, SPLITS, render
from cnnlib.datasets.scenes.solids import FAMILIES
from cnnlib.types import CnnlibError, Sample, Split, Target, TargetInfo

VERSION = 4
"""Counted up whenever what is stored changes: what is on disk of another version is rendered again."""

MIN_SIZE = 16
_BATCH = 16
_MILLIMETRES = 1000
_NORMAL_STEPS = 32767
"""Normals are stored as int16: rounding turns them by less than 0.002 degrees."""


class Scenes:
    """Procedural scenes: 1 to 3 objects in a room, a courtyard or on open ground.

    A sample is a pure function of (seed, split, index, size): the first 100 of 800 scenes are the 100 of 100, and
    no scene of one split is in another.

    Args:
        size: height and width in pixels.
        train, val, test: number of scenes in each split.
        seed: other seeds give other scenes.
        cache_dir: where rendered scenes are kept; by default ``$CNNLIB_CACHE`` or the user's cache folder.

    Targets, all exact: of every pixel its ``mask`` (any object), ``depth`` in metres, ``normals`` (in the camera's
    axes) and ``semantic`` class; of the main object, the one with the most pixels, its ``points`` (those outside of the
    picture are not valid), ``box`` and ``label``. Depth and normals of sky, hills and far ground are not valid.
    """

    inputs: ClassVar[Mapping[str, int]] = {"bg": 3, "fg_bg": 3}
    targets: ClassVar[Mapping[str, TargetInfo]] = {
        "mask": TargetInfo("mask"),
        "depth": TargetInfo("depth", unit="m"),
        "normals": TargetInfo("normals"),
        "semantic": TargetInfo("semantic", names=CLASSES),
        "points": TargetInfo(
            "points",
            names=LANDMARKS,
            flip_order=tuple(
                LANDMARKS.index({"left": "right", "right": "left"}.get(name, name)) for name in LANDMARKS
            ),
        ),
        "box": TargetInfo("box"),
        "label": TargetInfo("label", names=tuple(FAMILIES)),
    }

    @checked
    def __init__(
        self,
        size: Annotated[int, Ge(MIN_SIZE)] = 96,
        train: Annotated[int, Ge(0)] = 800,
        val: Annotated[int, Ge(0)] = 100,
        test: Annotated[int, Ge(0)] = 100,
        seed: Annotated[int, Ge(0)] = 0,
        cache_dir: str | None = None,
    ) -> None:
        self.size = size
        self.counts: dict[Split, int] = {"train": train, "val": val, "test": test}
        self.seed = seed
        self.cache_dir = cache_dir

    def split(self, part: Split) -> SceneSplit:
        """The scenes of one split; the first call renders them, with a progress bar if a person is watching.

        Raises:
            CnnlibError: for a split that does not exist.
        """
        if part not in SPLITS:
            raise CnnlibError(f"scenes: a split is one of {', '.join(SPLITS)}; got {part!r}")
        count, size = self.counts[part], self.size
        specs = {
            "image": ArraySpec((count, 6, size, size), "|u1"),
            "mask": ArraySpec((count, size, size), "|u1"),
            "depth": ArraySpec((count, size, size), "<u2"),
            "normals": ArraySpec((count, 3, size, size), "<i2"),
            "semantic": ArraySpec((count, size, size), "|u1"),
            "points": ArraySpec((count, len(LANDMARKS), 2), "<f4"),
            "box": ArraySpec((count, 4), "<f4"),
            "label": ArraySpec((count,), "|u1"),
        }
        made_from = {"renderer": VERSION, "seed": self.seed, "split": part, "count": count, "size": size}
        folder = self._folder(part)
        return SceneSplit(part, cached_arrays(folder, made_from, specs, lambda: self._batches(part)))

    def _folder(self, part: Split) -> Path:
        name = f"{part}-{self.counts[part]}-size-{self.size}-seed-{self.seed}"
        return cache_root(self.cache_dir) / "scenes" / name

    def _batches(self, part: Split) -> Iterator[dict[str, np.ndarray]]:
        """The split as it is stored, rendered a few scenes at a time."""
        count = self.counts[part]
        chunks = [range(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH)]

        with _progress() as progress:
            bar = progress.add_task(f"rendering scenes ({part})", total=count)
            for chunk in chunks:
                yield stored(render(self.seed, part, chunk, self.size))
                progress.advance(bar, len(chunk))


def stored(scenes: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """What ``render`` gives, as it is stored."""
    return {
        "image": scenes["image"],
        "mask": scenes["mask"].astype(np.uint8),
        "depth": np.rint(scenes["depth"] * _MILLIMETRES).astype(np.uint16),
        "normals": np.rint(scenes["normals"] * _NORMAL_STEPS).astype(np.int16),
        "semantic": scenes["classes"],
        "points": scenes["object_landmarks"]
        - np.float32(0.5),  # from the corner to the centre of the first pixel
        "box": scenes["object_box"],
        "label": (scenes["object_class"] - CLASSES.index(next(iter(FAMILIES)))).astype(np.uint8),
    }


class SceneSplit:
    """The scenes of one split, read from its arrays, which are as ``stored`` gives them."""

    def __init__(self, part: Split, arrays: Mapping[str, np.ndarray]) -> None:
        self._part = part
        self._arrays = arrays

    def __len__(self) -> int:
        return len(self._arrays["mask"])

    def __getitem__(self, index: int) -> Sample:
        """``image`` (6, H, W), every target and ``name``: ``test-00012``."""
        if not 0 <= index < len(self):
            raise IndexError(f"the {self._part} split has {len(self)} scenes; there is no index {index}")
        arrays = {key: torch.from_numpy(np.array(array[index])) for key, array in self._arrays.items()}
        size = arrays["image"].shape[-1]
        depth = arrays["depth"].float()[None] / _MILLIMETRES
        points = arrays["points"]
        return {
            "image": arrays["image"].float() / 255,
            "mask": Target(arrays["mask"].float()[None]),
            "depth": Target(depth, depth > 0),
            "normals": Target(arrays["normals"].float() / _NORMAL_STEPS, depth > 0),
            "semantic": Target(arrays["semantic"].long()[None]),
            "points": Target(points, ((points >= -0.5) & (points <= size - 0.5)).all(-1)),
            "box": Target(arrays["box"]),
            "label": Target(arrays["label"].long()),
            "name": f"{self._part}-{index:05d}",
        }


def _progress() -> Progress:
    """A bar on stderr, or nothing where stderr is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
