"""k-fold cross-validation of any data set: its splits are joined, and divided anew."""

from __future__ import annotations

import warnings
from itertools import chain
from pathlib import Path
from typing import get_args

import numpy as np

from cnnlib.datasets.splits import SampleView, Subset, info_of_all, pictures_of
from cnnlib.types import CnnlibError, DataSource, SampleSource, Split

_VAL_SHARE = 0.1  # of all samples


class Joined(SampleView):
    """All samples of a data set, whatever split they are in."""

    def __init__(self, source: DataSource) -> None:
        self._splits = [source.split(part) for part in get_args(Split)]
        self._places = [(split, index) for split in self._splits for index in range(len(split))]

    def __len__(self) -> int:
        return len(self._places)

    def pictures(self, indices: np.ndarray) -> list[Path] | None:
        starts = np.cumsum([0, *map(len, self._splits)])
        found = [
            pictures_of(split, indices[(start <= indices) & (indices < start + len(split))] - start)
            for split, start in zip(self._splits, starts, strict=False)
        ]
        return None if None in found else list(dict.fromkeys(chain(*found)))

    def _origin(self, index: int) -> tuple[SampleSource, int]:
        return self._places[index]


def fold_splits(source: DataSource, folds: int, fold: int, partition: int) -> dict[Split, SampleSource]:
    """The splits of one fold: the test split is the fold, validation a tenth of all samples, training the rest.

    Each sample is in the test split of exactly one fold. Samples of a group stay on one side, and classes keep their
    shares as nearly as groups allow, where the data set gives groups and classes (see ``SampleSource``).

    Args:
        folds: their number.
        fold: from 0.
        partition: each gives another division into folds.

    Raises:
        CnnlibError: there are too few samples, or groups of samples, for so many folds.
    """
    samples = Joined(source)
    groups, classes = info_of_all(samples, "group"), info_of_all(samples, "label_class")
    count = len(samples) if groups is None else len(set(groups))
    if count < folds + 1 or count < 3:
        what = "samples" if groups is None else "groups of samples"
        raise CnnlibError(f"folds: {folds} needs at least {max(3, folds + 1)} {what}; there are {count}")
    everything = np.arange(len(samples))
    rest, test = _divide(everything, groups, classes, folds, partition)[fold]
    left = len(rest) if groups is None else len(set(groups[rest]))
    if left < 2:
        raise CnnlibError(
            f"folds: {folds} leaves one {'sample' if groups is None else 'group'} for training and validation in fold "
            f"{fold}; give more folds, or data of more groups"
        )
    parts = min(left, max(2, round((1 - 1 / folds) / _VAL_SHARE)))
    train, val = _divide(rest, groups, classes, parts, partition)[0]
    return {"train": Subset(samples, train), "val": Subset(samples, val), "test": Subset(samples, test)}


def _divide(
    indices: np.ndarray, groups: np.ndarray | None, classes: np.ndarray | None, parts: int, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    """``indices`` divided ``parts`` times into all but one part and that part, both ascending."""
    from sklearn import model_selection  # heavy, and only folds need it

    stratified = classes is not None and np.unique(classes[indices], return_counts=True)[1].max() >= parts
    names = {
        (False, False): "KFold",
        (False, True): "StratifiedKFold",
        (True, False): "GroupKFold",
        (True, True): "StratifiedGroupKFold",
    }
    splitter = getattr(model_selection, names[groups is not None, stratified])
    given = {
        "y": classes[indices] if stratified else None,
        "groups": None if groups is None else groups[indices],
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # it cannot be in every part
        divided = splitter(n_splits=parts, shuffle=True, random_state=seed).split(indices, **given)
        return [(indices[rest], indices[part]) for rest, part in divided]
