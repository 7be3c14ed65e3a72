"""Data sets that are rendered once, then read from disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeAlias

import numpy as np
import torch
from annotated_types import Ge, Le
from torch import Tensor

from cnnlib.checks import checked
from cnnlib.datasets.cache import ArraySpec, cache_root, cached_arrays
from cnnlib.datasets.options import Seed
from cnnlib.datasets.scenes.render import SPLITS
from cnnlib.datasets.splits import with_float_image
from cnnlib.progress import shown
from cnnlib.types import CnnlibError, Sample, Split, Target, TargetInfo

MIN_SIZE = 16
_BATCH = 16

Pixels: TypeAlias = Annotated[int, Ge(MIN_SIZE), Le(2048)]
Count: TypeAlias = Annotated[int, Ge(0), Le(1_000_000)]


class RenderedSplit(ABC):
    """The scenes of one split, read from the arrays that they are stored in."""

    def __init__(self, part: Split, arrays: Mapping[str, np.ndarray]) -> None:
        self._part = part
        self._arrays = arrays

    def __len__(self) -> int:
        return len(self._arrays["image"])

    def __getitem__(self, index: int) -> Sample:
        """``image`` (C, H, W), every target and ``name``: ``test-00012``."""
        return with_float_image(self.stored(index))

    def stored(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"the {self._part} split has {len(self)} scenes; there is no index {index}")
        arrays = {key: torch.from_numpy(np.array(array[index])) for key, array in self._arrays.items()}
        return {"image_uint8": arrays["image"], **self._targets(arrays), "name": f"{self._part}-{index:05d}"}

    def files(self, index: int) -> tuple[()]:
        return ()

    @abstractmethod
    def _targets(self, arrays: Mapping[str, Tensor]) -> dict[str, Target]:
        """Of the scene with these rows of the arrays."""


class RenderedSource(ABC):
    """A data set whose samples are pure functions of (seed, split, index, size).

    Class attributes:
        title: its name in ``DATASETS``, which is also that of its folder in the cache.
        read: makes a split of its arrays.
    """

    title: ClassVar[str]
    inputs: ClassVar[Mapping[str, int]]
    targets: ClassVar[Mapping[str, TargetInfo]]
    read: ClassVar[type[RenderedSplit]]

    @checked
    def __init__(
        self,
        size: Pixels = 96,
        train: Count = 800,
        val: Count = 100,
        test: Count = 100,
        seed: Seed = 0,
        cache_dir: str | None = None,
    ) -> None:
        self.size = size
        self.counts: dict[Split, int] = {"train": train, "val": val, "test": test}
        self.seed = seed
        self.cache_dir = cache_dir

    def split(self, part: Split) -> RenderedSplit:
        """The scenes of one split; the first call renders them, with a progress bar if a person is watching.

        Raises:
            CnnlibError: for a split that does not exist.
        """
        if part not in SPLITS:
            raise CnnlibError(f"{self.title}: a split is one of {', '.join(SPLITS)}; got {part!r}")
        count = self.counts[part]
        specs = {key: ArraySpec((count, *row.shape), row.dtype) for key, row in self._rows().items()}
        made_from = {"seed": self.seed, "split": part, "count": count, "size": self.size}
        made_from |= self._versions() | self._variant()
        return self.read(
            part, cached_arrays(self._folder(part), made_from, specs, lambda: self._batches(part))
        )

    @abstractmethod
    def _rows(self) -> dict[str, ArraySpec]:
        """What is stored of one scene; ``image`` holds its pixels as bytes."""

    @abstractmethod
    def _versions(self) -> dict[str, int]:
        """Of the code that the stored arrays depend on: what is on disk of another version is rendered again."""

    @abstractmethod
    def _render(self, part: Split, indices: Sequence[int]) -> Mapping[str, np.ndarray]:
        """The scenes of these indices, as they are stored."""

    def _variant(self) -> dict[str, Any]:
        """Further options that change what is stored, those left to their default excluded."""
        return {}

    def _folder(self, part: Split) -> Path:
        variant = "".join(f"-{key}-{value}" for key, value in self._variant().items())
        name = f"{part}-{self.counts[part]}-size-{self.size}-seed-{self.seed}{variant}"
        return cache_root(self.cache_dir) / self.title / name

    def _batches(self, part: Split) -> Iterator[Mapping[str, np.ndarray]]:
        """The split as it is stored, rendered a few scenes at a time."""
        count = self.counts[part]
        chunks = [range(start, min(start + _BATCH, count)) for start in range(0, count, _BATCH)]
        for chunk in shown(chunks, f"rendering {self.title} ({part})"):
            yield self._render(part, chunk)
