"""Dividing a data set into training, validation and test, and taking a small part of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np

from cnnlib.checks import checked
from cnnlib.datasets.options import Share
from cnnlib.types import CnnlibError, EmbeddedPicture, Sample, SampleSource, Split

T = TypeVar("T")


class SampleView(ABC):
    """Samples of other sources: what these say of a sample, the view says of its own."""

    @abstractmethod
    def _origin(self, index: int) -> tuple[SampleSource, int]:
        """The source that sample ``index`` is of, and its index there."""

    def __getitem__(self, index: int) -> Sample:
        source, own = self._origin(index)
        return source[own]

    def stored(self, index: int) -> Sample:
        return stored_sample(*self._origin(index))

    def labels(self, index: int) -> Collection[str] | None:
        return self._info("labels", index)

    def group(self, index: int) -> str | None:
        return self._info("group", index)

    def label_class(self, index: int) -> str | None:
        return self._info("label_class", index)

    def files(self, index: int) -> Sequence[Path] | None:
        return self._info("files", index)

    def picture(self, index: int) -> EmbeddedPicture | None:
        return self._info("picture", index)

    def _info(self, what: str, index: int) -> Any:
        source, own = self._origin(index)
        return sample_info(source, what, own)


class Subset(SampleView):
    """Some samples of a source, in the order of ``indices``."""

    def __init__(self, source: SampleSource, indices: Sequence[int] | np.ndarray) -> None:
        self._source = source
        self._indices = np.asarray(indices, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._indices)

    def pictures(self, indices: np.ndarray) -> list[Path] | None:
        return pictures_of(self._source, self._indices[indices])

    def _origin(self, index: int) -> tuple[SampleSource, int]:
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} samples; there is no index {index}")
        return self._source, int(self._indices[index])


def stored_sample(source: SampleSource, index: int) -> Sample:
    """With ``image_uint8`` where ``source`` has its image so."""
    return source.stored(index) if hasattr(source, "stored") else source[index]


def with_float_image(sample: Sample) -> Sample:
    """``image`` of ``image_uint8``, if a stored sample has that."""
    return {
        "image" if key == "image_uint8" else key: entry / 255 if key == "image_uint8" else entry
        for key, entry in sample.items()
    }


def pictures_of(source: SampleSource, indices: np.ndarray) -> list[Path] | None:
    """The files that samples are put together from; ``None`` where they have pictures of their own."""
    return source.pictures(indices) if hasattr(source, "pictures") else None


def sample_info(
    source: SampleSource, what: Literal["labels", "group", "label_class", "files", "picture"], index: int
) -> Any:
    """What ``source`` says of a sample; ``None`` where it does not know, or has no such method."""
    return getattr(source, what)(index) if hasattr(source, what) else None


def info_of_all(source: SampleSource, what: Literal["group", "label_class"]) -> np.ndarray | None:
    """What ``source`` says of each of its samples, strings (N,); ``None`` unless it says something of all."""
    found = [sample_info(source, what, index) for index in range(len(source))]
    return None if None in found else np.array(found)


def split_of(splits: Mapping[Split, T], part: Split) -> T:
    """``splits[part]``; raises ``CnnlibError`` where there is no such split."""
    if part not in splits:
        raise CnnlibError(f"a split is one of {', '.join(splits)}; got {part!r}")
    return splits[part]


def spread(count: int, most: int | None) -> list[int]:
    """At most ``most`` (``None``: all) of the indices below ``count``, spread evenly, ascending."""
    return np.linspace(0, count - 1, min(count, most or count)).round().astype(int).tolist()


def repeated(source: SampleSource, times: int) -> SampleSource:
    """Every sample so many times."""
    return source if times == 1 else Subset(source, [*range(len(source))] * times)


@checked
def split_indices(
    count: int,
    val: Share,
    test: Share | None,
    seed: int,
    groups: Sequence[str] | None = None,
    *others: Sequence[str],
) -> dict[Split, np.ndarray]:
    """Divides ``count`` samples at random; the same for the same arguments, on every machine.

    Args:
        val, test: the share of samples for validation and test, ``None`` for no test; the rest is for training.
        groups: the group of each sample. A group is never divided, so that what its samples share (a
            background, a foreground) is not known from training when it comes in the test; shares are then
            met as nearly as whole groups allow. Without it, each sample is a group of its own.
        others: the groups of further kinds, each of all samples. No group of any kind is divided: every kind is
            divided on its own, by the same shares, and a sample whose groups fall on different sides is in no split.

    Returns:
        For each split its indices, ascending, int64. Each split has at least one group, but for a test of ``None``.

    Raises:
        CnnlibError: nothing is left for training, there are fewer groups than splits, or a split gets no sample as
            groups of several kinds fall on different sides.
    """
    if val + (test or 0) >= 1:
        raise CnnlibError(f"val and test must leave samples for training; got val={val} + test={test}")
    shares = {"val": val} if test is None else {"test": test, "val": val}
    parts = _parts_of(count, groups, shares, seed)
    for kind in others:
        parts = np.where(parts == _parts_of(count, kind, shares, seed), parts, "")
    divided = {
        part: np.flatnonzero(parts == part) for part in ("train", "val", "test") if part in ("train", *shares)
    }
    if empty := [part for part, indices in divided.items() if not len(indices)]:
        raise CnnlibError(
            f"the {empty[0]} split gets none of the {count} samples, for in none of them do the groups of all kinds "
            "fall on that side: give val and test larger shares, another seed, or group by one kind alone"
        )
    return divided


def _parts_of(count: int, groups: Sequence[str] | None, shares: dict[str, float], seed: int) -> np.ndarray:
    """The part of each sample, (N,)."""
    group_of_sample = np.arange(count) if groups is None else np.unique(groups, return_inverse=True)[1]
    sizes = np.bincount(group_of_sample)
    if len(sizes) <= len(shares):
        parts = "training, validation and test" if "test" in shares else "training and validation"
        raise CnnlibError(
            f"{parts} need at least {len(shares) + 1} samples that may be separated; there are {count} "
            f"samples in {len(sizes)} group{'' if len(sizes) == 1 else 's'}"
        )
    return _assign(sizes, {part: share * count for part, share in shares.items()}, seed)[group_of_sample]


def split_free(
    count: int,
    tested: Collection[int],
    val: Share,
    seed: int,
    groups: Sequence[str] | None = None,
) -> dict[Split, np.ndarray]:
    """As ``split_indices``, where the test set is given: the others are divided into training and validation."""
    free = np.setdiff1d(np.arange(count), np.array(sorted(tested), np.int64))
    own = None if groups is None else [groups[index] for index in free]
    parts = {part: free[indices] for part, indices in split_indices(len(free), val, None, seed, own).items()}
    return {**parts, "test": np.array(sorted(tested), np.int64)}


def tiny_subset(count: int, size: int, seed: int) -> np.ndarray:
    """``size`` of ``count`` indices (all, if there are no more) at random, ascending, int64."""
    return np.sort(np.random.default_rng(seed).permutation(count)[:size])


def stratified_subset(strata: Sequence[str], size: int, seed: int) -> np.ndarray:
    """``size`` indices (all, if there are no more) at random, ascending, int64: of each stratum its share.

    Shares are met to one sample, but no stratum is left without a sample, unless there are more strata than ``size``.

    Args:
        strata: of each sample, such as its class.
    """
    _, stratum, counts = np.unique(np.array(strata), return_inverse=True, return_counts=True)
    size = min(size, len(strata))
    shares, least = size * counts / max(1, len(strata)), int(size >= len(counts))
    taken = np.maximum(shares.astype(np.int64), least)
    while taken.sum() != size:
        step = int(np.sign(size - taken.sum()))
        free = taken < counts if step > 0 else taken > least
        taken[np.argmax(np.where(free, step * (shares - taken), -np.inf))] += step
    order = np.random.default_rng(seed).permutation(len(strata))
    return np.sort(
        np.concatenate([order[:0], *(order[stratum[order] == i][:n] for i, n in enumerate(taken))])
    )


def _assign(sizes: np.ndarray, wanted: dict[str, float], seed: int) -> np.ndarray:
    """The part of each group, given their sizes: groups go to a part while that brings it nearer to its share."""
    parts = np.full(len(sizes), "train", dtype="<U5")
    remaining = np.random.default_rng(seed).permutation(len(sizes))
    for still_empty, (part, share) in zip(range(len(wanted), 0, -1), wanted.items(), strict=True):
        taken: list[int] = []
        total = 0
        for group in remaining:
            if len(remaining) - len(taken) == still_empty or total >= share:
                break
            if abs(total + sizes[group] - share) <= abs(total - share):
                taken.append(group)
                total += sizes[group]
        if not taken:  # every group is too large: the smallest one errs least
            taken = [remaining[np.argmin(sizes[remaining])]]
        parts[taken] = part
        remaining = remaining[~np.isin(remaining, taken)]
    return parts
