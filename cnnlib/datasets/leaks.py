"""The same picture in two splits: the test then measures memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TypeAlias

import numpy as np

from cnnlib.datasets.fingerprints import Fingerprints, PerceptualHash, StoredPicture
from cnnlib.datasets.problems import as_line
from cnnlib.datasets.splits import pictures_of, sample_info, spread
from cnnlib.types import CnnlibError, SampleSource, Split

NEAR = 6
"""Bits of ``perceptual_hash`` that two copies of a picture differ in at most, as a rule: 99 % did of 960 copies of 120
photographs (a half and a third of the size, JPEG of quality 30, brightness x 0.7 and 1.25, ...), and of 840 copies that
were mirrored too. Of 136,000 pairs of different photographs, none was as near but frames of one video; of 63,000, none
with one of them mirrored."""
SHOWN = 3
"""Pairs that are named."""
_BLOCK = 2**22  # pairs that are compared at a time, so that memory stays flat
_MOST_DECODED = 5000  # pictures of each split, spread evenly, that are decoded for their perceptual hash

Place: TypeAlias = tuple[str, StoredPicture]
"""A split, and a picture in it."""


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
            as_line(f"    {' and '.join(f'{part} {picture}' for part, picture in pair)}")
            for pair in self.examples
        ]
        more = self.count - len(self.examples)
        return [*lines, f"    and {more} more"] if more else lines


@dataclass(frozen=True)
class Leaks:
    """What several splits share.

    Attributes:
        same: pictures of equal stored bytes.
        near: pictures that look the same though their bytes differ.
        unknown: the number of samples whose pictures cannot be compared, as their source does not name them.
    """

    same: Pairs
    near: Pairs
    unknown: int = 0


def find_leaks(
    splits: Mapping[Split, SampleSource], fingerprints: Fingerprints, most_decoded: int | None = _MOST_DECODED
) -> Leaks:
    """What the ``splits`` of a data set share; rendered samples cost nothing.

    Of files, only those of a size that another split has too are read whole; of pictures inside larger files, all.
    ``most_decoded`` pictures of each split (``None``: all), spread evenly, are decoded, JPEGs at a fraction of their
    size, and compared by their perceptual hash.

    Args:
        fingerprints: remembers what it has read, for further splits of the same data set.
    """
    stored = {part: list(stored_pictures(samples)) for part, samples in splits.items()}
    unknown = sum(pictures.count(None) for pictures in stored.values())
    pictures = {part: [each for each in found if each is not None] for part, found in stored.items()}
    same, near = same_pictures(pictures, fingerprints), Pairs(0, [])
    copies = {picture for _, (_, picture) in same}
    compared = {
        part: _spread([picture for picture in found if picture not in copies], most_decoded)
        for part, found in pictures.items()
    }
    for (part, ours), (other_part, theirs) in combinations(compared.items(), 2):
        count, examples = near_pairs(fingerprints.perceptual(ours), fingerprints.perceptual(theirs))
        near.add(count, [((part, ours[one]), (other_part, theirs[other])) for one, other in examples])
    return Leaks(Pairs(len(same), same[:SHOWN]), near, unknown)


def stored_pictures(samples: SampleSource) -> Iterator[StoredPicture | None]:
    """The picture that each sample is read from, or ``None`` where its source does not name it.

    Rendered samples have none. Composites have those that they are put together from.
    """
    if (shared := pictures_of(samples, np.arange(len(samples)))) is not None:
        yield from shared
        return
    for index in range(len(samples)):
        files = sample_info(samples, "files", index)
        if files is None:
            yield sample_info(samples, "picture", index)
        elif files:
            yield files[0]


def same_pictures(
    pictures: Mapping[Split, Sequence[StoredPicture]], fingerprints: Fingerprints
) -> list[tuple[Place, Place]]:
    """Pairs of pictures in two splits that have the same bytes: each with the first of the other split."""
    parts_of_size: dict[int | None, set[str]] = {}
    sizes: dict[StoredPicture, int | None] = {}
    for part, found in pictures.items():
        for picture in found:
            sizes[picture] = _size(picture)
            parts_of_size.setdefault(sizes[picture], set()).add(part)
    alike = {
        part: [picture for picture in found if len(parts_of_size[sizes[picture]]) > 1]
        for part, found in pictures.items()
    }
    pairs = []
    first: dict[str, dict[str, StoredPicture]] = {}
    for part, found in alike.items():
        for picture, digest in zip(found, fingerprints.digests(found), strict=True):
            if digest:
                seen = first.setdefault(digest, {})
                pairs += [
                    ((other, theirs), (part, picture)) for other, theirs in seen.items() if other != part
                ]
                seen.setdefault(part, picture)
    return pairs


def near_pairs(
    ours: Sequence[PerceptualHash | None], theirs: Sequence[PerceptualHash | None], most: int = NEAR
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
        CnnlibError: pictures of equal content are in two splits, and that is not ``allowed``. Pictures that look the
            same may be different ones (frames, products before a white wall), so they are no error.
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
    if leaks.unknown:
        lines += [
            f"{what}: {leaks.unknown} samples are not checked for copies in other splits, since the data set gives "
            "neither their files nor their pictures (see cnnlib.types.SampleSource)"
        ]
    return "\n".join(lines)


def _hashes(found: Sequence[PerceptualHash | None]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of those that have one, the index, the hash and that of the mirrored picture."""
    known = [(index, *each) for index, each in enumerate(found) if each is not None]
    indices, plain, mirrored = np.array(known, np.uint64).reshape(-1, 3).T
    return indices.astype(np.int64), plain, mirrored


def _spread(pictures: Sequence[StoredPicture], most: int | None) -> list[StoredPicture]:
    return [pictures[index] for index in spread(len(pictures), most)]


def _size(picture: StoredPicture) -> int | None:
    """In bytes; ``None`` where that is not known without reading it."""
    try:
        return picture.stat().st_size if isinstance(picture, Path) else None
    except OSError:
        return None
