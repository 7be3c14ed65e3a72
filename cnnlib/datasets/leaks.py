"""The same picture in two splits: the test then measures memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import numpy as np

from cnnlib.datasets.fingerprints import Fingerprints, Look
from cnnlib.datasets.problems import as_line
from cnnlib.datasets.splits import sample_info
from cnnlib.types import CnnlibError, SampleSource, Split

NEAR = 6
"""Bits of ``perceptual_hash`` that two copies of a picture differ in at most, as a rule: 99 % did of 960 copies of 120
photographs (a half and a third of the size, JPEG of quality 30, brightness x 0.7 and 1.25, ...), and of 840 copies that
were mirrored too. Of 136,000 pairs of different photographs, none was as near but frames of one video; of 63,000, none
with one of them mirrored."""
SHOWN = 3
"""Pairs that are named."""
_BLOCK = 2**22  # pairs that are compared at a time, so that memory stays flat
_MOST_LOOKS = 5000  # pictures of each split, spread evenly, that are decoded to find those that look the same

Place: TypeAlias = tuple[str, Path]
"""A split, and the file of a picture in it."""


@dataclass
class Pairs:
    """Pictures on both sides: how many pairs, and the first few."""

    count: int
    examples: list[tuple[Place, Place]]

    def add(self, count: int, examples: Sequence[tuple[Place, Place]]) -> None:
        self.count += count
        self.examples = [*self.examples, *examples][:SHOWN]

    def words(self) -> list[str]:
        """A line for each example."""
        lines = [
            as_line(f"    {' and '.join(f'{part} {path}' for part, path in pair)}") for pair in self.examples
        ]
        more = self.count - len(self.examples)
        return [*lines, f"    and {more} more"] if more else lines


@dataclass(frozen=True)
class Leaks:
    """What several splits share: files of equal bytes, and pictures that look the same though their bytes differ."""

    same: Pairs
    near: Pairs


def find_leaks(
    splits: Mapping[Split, SampleSource], known: Fingerprints, most_looks: int | None = _MOST_LOOKS
) -> Leaks:
    """What the ``splits`` of a data set of files share; nothing where samples have no files, which costs nothing.

    Of files, only those of a size that another split has too are read whole. Of each split, ``most_looks`` pictures
    (``None``: all), spread evenly, are decoded, JPEGs at a fraction of their size, and compared by what they show.

    Args:
        known: remembers what it has read, for further splits of the same data set.
    """
    paths = {part: list(main_files(samples)) for part, samples in splits.items()}
    same, near = same_files(paths, known), Pairs(0, [])
    copies = {path for _, (_, path) in same}
    compared = {
        part: _spread([path for path in files if path not in copies], most_looks)
        for part, files in paths.items()
    }
    for (part, ours), (other_part, theirs) in combinations(compared.items(), 2):
        count, examples = near_pairs(known.looks(ours), known.looks(theirs))
        near.add(count, [((part, ours[one]), (other_part, theirs[other])) for one, other in examples])
    return Leaks(Pairs(len(same), same[:SHOWN]), near)


def main_files(samples: SampleSource) -> Iterator[Path]:
    """The file of each sample's own picture, of those that tell one; of composites those of their pictures."""
    if hasattr(samples, "pictures"):
        yield from samples.pictures()
    elif hasattr(samples, "files"):
        for index in range(len(samples)):
            if files := sample_info(samples, "files", index):
                yield files[0]


def same_files(paths: Mapping[Split, Sequence[Path]], known: Fingerprints) -> list[tuple[Place, Place]]:
    """Pairs of files in two splits that have the same bytes: each with the first of the other split."""
    parts_of_size: dict[int, set[str]] = {}
    sizes: dict[Path, int] = {}
    for part, files in paths.items():
        for path in files:
            sizes[path] = _size(path)
            parts_of_size.setdefault(sizes[path], set()).add(part)
    alike = {
        part: [path for path in files if len(parts_of_size[sizes[path]]) > 1] for part, files in paths.items()
    }
    found = []
    first: dict[str, dict[str, Path]] = {}
    for part, files in alike.items():
        for path, digest in zip(files, known.digests(files), strict=True):
            if digest:
                seen = first.setdefault(digest, {})
                found += [((other, theirs), (part, path)) for other, theirs in seen.items() if other != part]
                seen.setdefault(part, path)
    return found


def near_pairs(
    ours: Sequence[Look | None], theirs: Sequence[Look | None], most: int = NEAR
) -> tuple[int, list[tuple[int, int]]]:
    """How many pairs of pictures differ in at most ``most`` bits, as they are or one of them mirrored, and the indices
    of the first few.
    """
    (rows, left, mirrored), (columns, right, _) = _hashes(ours), _hashes(theirs)
    step = max(1, _BLOCK // max(1, len(right)))
    count, examples = 0, []
    for start in range(0, len(left), step):
        some = slice(start, start + step)
        near = np.bitwise_count(left[some, None] ^ right) <= most
        near |= np.bitwise_count(mirrored[some, None] ^ right) <= most
        count += int(near.sum())
        if len(examples) < SHOWN and near.any():
            first = np.argwhere(near)[: SHOWN - len(examples)]
            examples += [(int(rows[start + row]), int(columns[column])) for row, column in first.tolist()]
    return count, examples


def check_leaks(what: str, leaks: Leaks, allowed: bool) -> str:
    """What is to be said of the ``leaks``, in lines; empty if there are none.

    Args:
        what: the data set in words.

    Raises:
        CnnlibError: files of equal content are in two splits, and that is not ``allowed``. Pictures that look the same
            may be different ones (frames, products before a white wall), so they are no error.
    """
    lines = []
    if leaks.same.count:
        lines = [
            f"{what}: the same picture is in two splits, so the test measures memory: {leaks.same.count}"
        ]
        lines += leaks.same.words()
        if not allowed:
            advice = "remove the copies, or give them a group that is not divided; leaks: allow trains all the same"
            raise CnnlibError("\n".join([*lines, f"  {advice}"]))
    if leaks.near.count:
        lines += [
            f"{what}: pictures in two splits look the same, or mirrored; are they copies? {leaks.near.count}"
        ]
        lines += leaks.near.words()
    return "\n".join(lines)


def _hashes(looks: Sequence[Look | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of those that have one, the index, the hash and that of the mirrored picture."""
    known = [(index, *look) for index, look in enumerate(looks) if look is not None]
    indices, plain, mirrored = np.array(known, np.uint64).reshape(-1, 3).T
    return indices.astype(np.int64), plain, mirrored


def _spread(paths: Sequence[Path], most: int | None) -> list[Path]:
    count = min(len(paths), most or len(paths))
    return [paths[index] for index in np.linspace(0, len(paths) - 1, count).round().astype(int)]


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
