"""A data set that is decoded once: its samples are then read from memory maps that all runs and workers share."""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import Any

import numpy as np

from cnnlib.datasets.cache import MANIFEST, cache_root, cached_arrays
from cnnlib.datasets.decoded.rows import DamagedRowError, Layout, TooNarrowError
from cnnlib.datasets.file_states import files_digest
from cnnlib.datasets.splits import SampleView, pictures_of, sample_info, with_float_image
from cnnlib.files import read_bytes, read_json, write_atomically
from cnnlib.progress import shown
from cnnlib.types import CnnlibError, DataSource, Sample, SampleSource, Split

VERSION = 3
"""Counted up whenever what is stored changes."""
_PROBED = 24
_THREADS = 4
_GIB = 1024**3
_LAYOUT = "layout.json"


class DecodedSplit(SampleView):
    """One split.

    Args:
        samples: the same, undecoded: it gives labels, groups and classes, and replaces what is damaged.
        folder: that the arrays are kept in.
    """

    def __init__(
        self, samples: SampleSource, layout: Layout, arrays: Mapping[str, np.ndarray], folder: Path
    ) -> None:
        self._samples, self._layout, self._folder = samples, layout, folder
        # As plain arrays: the class of memory maps makes each access several times as slow.
        self._arrays = {key: array.view(np.ndarray) for key, array in arrays.items()}
        self._verified = np.zeros(len(samples), bool)

    def __len__(self) -> int:
        return len(self._samples)

    def __getitem__(self, index: int) -> Sample:
        return with_float_image(self.stored(index))

    def stored(self, index: int) -> Sample:
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} samples; there is no index {index}")
        try:
            sample = self._layout.unpack(self._arrays, index, verify=not self._verified[index])
            self._verified[index] = True
            return sample
        except DamagedRowError:
            warnings.warn(
                f"{self._folder} is damaged: samples are decoded again, each time that they are asked for; delete it, "
                "and all are decoded once",
                stacklevel=2,
            )
            again = {key: array[None] for key, array in self._layout.pack(self._samples[index]).items()}
            return self._layout.unpack(again, 0)

    def labels(self, index: int) -> Collection[str]:
        known = super().labels(index)
        if known is not None:
            return known
        there = {key: self._arrays[f"{key}.there"] for key in self._layout.values}
        return [key for key, has in there.items() if has[index]]

    def _origin(self, index: int) -> tuple[SampleSource, int]:
        return self._samples, index


class Decoded:
    """``source``, each split of which is decoded when it is first asked for, and kept in the cache.

    Images are stored as bytes, or as they are where bytes would round them; targets in the smallest type that gives
    them back exactly (masks and classes as bytes, depths of 16-bit files as they are), else floats as float16, within
    0.05 % of their value.

    Args:
        options: that the data set was made with. The cache goes by them, and by path, size and times of change of
            every file that they lead to.
        limit: the largest size of a split in GiB.
        cache_dir: by default ``$CNNLIB_CACHE`` or the user's cache folder.

    Raises:
        CnnlibError: its options name no files, its images have no one size, or it is put together from pictures.
    """

    def __init__(
        self,
        source: DataSource,
        name: str,
        options: Mapping[str, Any],
        limit: float,
        cache_dir: str | None = None,
    ) -> None:
        made_from = files_digest(options)
        if made_from is None:
            raise CnnlibError(f"dataset {name!r} is not read from files: leave cache out")
        if source.size is None:
            raise CnnlibError(f"dataset {name!r}: its images have no one size; set size, or leave cache out")
        if pictures_of(source.split("train"), np.arange(0)) is not None:
            raise CnnlibError(
                f"dataset {name!r}: it decodes the pictures that it puts together once by itself: leave cache out"
            )
        self._source, self._limit, self._checked = source, limit, False
        self._root = cache_root(cache_dir)
        self.skipped = getattr(source, "skipped", None)
        self._made_from = {"version": VERSION, "name": name, "options": dict(options), "files": made_from}
        self._made_from["skipped"] = self.skipped
        self.inputs, self.targets, self.size = source.inputs, source.targets, source.size
        self.fit = getattr(source, "fit", "stretch")
        self.fixed_test = getattr(source, "fixed_test", False)

    def check(self) -> None:
        """Nothing: what was decoded was checked before."""

    def split(self, part: Split) -> SampleSource:
        samples = self._source.split(part)
        if len(samples) == 0:
            return samples
        made_from = self._made_from | {"split": part, "count": len(samples)}
        digest = hashlib.sha256(json.dumps(made_from, sort_keys=True, default=str).encode()).hexdigest()
        folder = self._root / "decoded" / f"{made_from['name']}-{part}-{digest[:20]}"
        layout = self._known_layout(folder) or self._probed_layout(samples)
        while True:
            try:
                arrays = self._arrays(folder, made_from, samples, layout)
                break
            except TooNarrowError as error:
                layout = error.layout
        if self._known_layout(folder) != layout:
            with suppress(OSError):  # then it is decoded again next time
                write_atomically(folder / _LAYOUT, layout.to_json())
        return DecodedSplit(samples, layout, arrays, folder)

    @staticmethod
    def _known_layout(folder: Path) -> Layout | None:
        """That of the stored arrays, as both of its copies say."""
        try:
            text = read_bytes(folder / _LAYOUT).decode()
            if read_json(folder / MANIFEST)["made_from"]["layout"] != text:
                return None
            layout = Layout.from_json(text)
            layout.stored_bytes(1)
            return layout
        except Exception:  # nothing is kept, or it is damaged, which breaks its readers in any way
            return None

    def _probed_layout(self, samples: SampleSource) -> Layout:
        """By some samples, spread evenly; all files are checked before."""
        if not self._checked and hasattr(self._source, "check"):
            self._source.check()
        self._checked = True
        probed = set(
            np.linspace(0, len(samples) - 1, min(_PROBED, len(samples))).round().astype(int).tolist()
        )
        # A rare target is probed too.
        with_label = {
            key: index for index in range(len(samples)) for key in sample_info(samples, "labels", index) or ()
        }
        probed |= set(with_label.values())
        return Layout.of([samples[index] for index in sorted(probed)], list(self.targets))

    def _arrays(
        self, folder: Path, made_from: Mapping[str, Any], samples: SampleSource, layout: Layout
    ) -> dict[str, np.ndarray]:
        size = layout.stored_bytes(len(samples))
        if size > self._limit * _GIB:
            raise CnnlibError(
                f"dataset {made_from['name']!r}: decoded, its {made_from['split']} split takes {size / _GIB:.3g} GiB, "
                f"more than cache_limit, {self._limit:g} GiB: raise it, make size smaller, or leave cache out"
            )

        def batches() -> Iterator[Mapping[str, np.ndarray]]:
            words = f"{size / _GIB:.1f} GiB" if size >= _GIB else f"{size / 1024**2:.1f} MiB"
            print(
                f"decoding {len(samples)} {made_from['split']} samples once, {words}, into {folder}",
                file=sys.stderr,
            )
            return _packed(samples, layout)

        made_from = {**made_from, "layout": layout.to_json()}
        return cached_arrays(folder, made_from, layout.specs(len(samples)), batches)


def _packed(samples: SampleSource, layout: Layout) -> Iterator[Mapping[str, np.ndarray]]:
    with ThreadPool(_THREADS) as pool:
        rows = pool.imap(lambda index: layout.pack(samples[index]), range(len(samples)), 8)
        for row in shown(rows, "decoding", len(samples)):
            yield {key: array[None] for key, array in row.items()}
