"""The embedded data set: rendered once, then read from disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cnnlib.checks import check_whole
from cnnlib.datasets.cache import ArraySpec, cache_root, cached_arrays
from cnnlib.datasets.scenes.render import SPLITS, render
from cnnlib.types import CnnlibError, Sample, Split

VERSION = 3
"""Counted up whenever the pictures or targets change: what is on disk of another version is rendered again."""

MIN_SIZE = 16
_BATCH = 16
_MILLIMETRES = 1000


class Scenes:
    """Procedural scenes: 1 to 3 objects in a room, a courtyard or on open ground.

    A sample is a pure function of (seed, split, index, size): the first 100 of 800 scenes are the 100 of 100, and
    no scene of one split is in another.

    Args:
        size: height and width in pixels.
        train, val, test: number of scenes in each split.
        seed: other seeds give other scenes.
        cache_dir: where rendered scenes are kept; by default ``$CNNLIB_CACHE`` or the user's cache folder.

    Raises:
        CnnlibError: for a size below 16, a negative number of scenes or a negative seed.
    """

    image_names: ClassVar[tuple[str, ...]] = ("bg", "fg_bg")
    targets: ClassVar[Mapping[str, str]] = {"mask": "mask", "depth": "depth"}

    def __init__(
        self,
        size: int = 96,
        train: int = 800,
        val: int = 100,
        test: int = 100,
        seed: int = 0,
        cache_dir: str | None = None,
    ) -> None:
        check_whole("scenes: size", size, MIN_SIZE)
        for name, value in {"train": train, "val": val, "test": test, "seed": seed}.items():
            check_whole(f"scenes: {name}", value, 0)
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
                scenes = render(self.seed, part, chunk, self.size)
                depth = np.rint(scenes["depth"] * _MILLIMETRES).astype(np.uint16)
                yield {"image": scenes["image"], "mask": scenes["mask"].astype(np.uint8), "depth": depth}
                progress.advance(bar, len(chunk))


class SceneSplit:
    """The scenes of one split, read from its arrays."""

    def __init__(self, part: Split, arrays: Mapping[str, np.ndarray]) -> None:
        self._part = part
        self._arrays = arrays

    def __len__(self) -> int:
        return len(self._arrays["mask"])

    def __getitem__(self, index: int) -> Sample:
        """``image`` (6, H, W), ``mask``, ``depth`` and ``depth_valid`` (1, H, W), ``name``: ``test-00012``."""
        if not 0 <= index < len(self):
            raise IndexError(f"the {self._part} split has {len(self)} scenes; there is no index {index}")
        depth = torch.from_numpy(self._arrays["depth"][index].astype(np.float32) / _MILLIMETRES)[None]
        return {
            "image": torch.from_numpy(self._arrays["image"][index].astype(np.float32) / 255),
            "mask": torch.from_numpy(self._arrays["mask"][index].astype(np.float32))[None],
            "depth": depth,
            "depth_valid": depth > 0,
            "name": f"{self._part}-{index:05d}",
        }


def _progress() -> Progress:
    """A bar on stderr, or nothing where stderr is no terminal."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
