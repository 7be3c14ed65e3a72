"""Cross-validation of any data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain
from types import SimpleNamespace
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib.datasets.folds import fold_splits
from cnnlib.datasets.loading import labelled
from cnnlib.types import CnnlibError, SampleSource, Split, TargetInfo


class Names:
    """Samples that are nothing but names."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"name": self.names[index]}


class Told(Names):
    """``person-class-number``."""

    def group(self, index: int) -> str:
        return self.names[index].split("-")[0]

    def label_class(self, index: int) -> str:
        return self.names[index].split("-")[1]

    def labels(self, index: int) -> list[str]:
        return ["animal"] if index % 2 else []


def source_of(names: Sequence[str], kind: type[Names] = Names) -> Any:
    parts = dict(zip(get_args(Split), np.array_split(np.array(names), 3), strict=True))
    return SimpleNamespace(
        targets={"animal": TargetInfo("label", names=("a", "b"))},
        split=lambda part: kind([str(name) for name in parts[part]]),
    )


def names_in(split: SampleSource) -> list[str]:
    return [split[index]["name"] for index in range(len(split))]


@settings(max_examples=40)
@given(
    folds=st.integers(3, 6),
    people=st.lists(st.integers(0, 30), min_size=40, max_size=80),
    partition=st.integers(0, 3),
)
def test_every_sample_is_tested_once_and_no_group_is_divided(
    folds: int, people: list[int], partition: int
) -> None:
    names = [f"p{person}-{'ab'[i % 2]}-{i}" for i, person in enumerate(people)]
    if len(set(people)) < folds + 1:
        return
    tested: list[str] = []
    for fold in range(folds):
        splits = fold_splits(source_of(names, Told), folds, fold, partition)
        parts = {part: names_in(split) for part, split in splits.items()}
        assert Counter(chain(*parts.values())) == Counter(names)
        assert all(parts.values())
        groups = [{name.split("-")[0] for name in part} for part in parts.values()]
        assert sum(map(len, groups)) == len(set.union(*groups))
        tested += parts["test"]
    assert Counter(tested) == Counter(names)


def test_classes_keep_their_shares() -> None:
    names = [f"{i}-{'b' if i % 5 == 0 else 'a'}-x" for i in range(100)]  # every sample its own group
    for fold in range(5):
        test = names_in(fold_splits(source_of(names, Told), 5, fold, 0)["test"])
        assert sum("-b-" in name for name in test) == 4
        assert len(test) == 20


def test_without_groups_and_classes_all_samples_are_alike() -> None:
    names = [f"{i:03d}" for i in range(70)]
    sizes = [
        [len(split) for split in fold_splits(source_of(names), 5, fold, 0).values()] for fold in range(5)
    ]
    assert sizes == [[49, 7, 14]] * 5


def test_another_partition_divides_anew_and_the_same_one_alike() -> None:
    names = [f"{i:03d}" for i in range(50)]
    first, again, other = (
        names_in(fold_splits(source_of(names), 5, 0, partition)["test"]) for partition in (0, 0, 1)
    )
    assert first == again != other


def test_labels_pass_through() -> None:
    names = [f"{i}-a-{i}" for i in range(30)]
    train = fold_splits(source_of(names, Told), 3, 0, 0)["train"]
    assert {tuple(train.labels(index)) for index in range(len(train))} == {(), ("animal",)}
    unknown = fold_splits(source_of(names), 3, 0, 0)["train"]
    assert unknown.labels(0) is None
    assert len(labelled(unknown, ["animal"])) == len(unknown)


def test_too_few_groups() -> None:
    names = [f"p{i % 3}-a-{i}" for i in range(30)]
    with pytest.raises(CnnlibError, match=r"folds: 5 needs at least 6 groups of samples; there are 3"):
        fold_splits(source_of(names, Told), 5, 0, 0)
    with pytest.raises(CnnlibError, match=r"folds: 5 needs at least 6 samples; there are 5"):
        fold_splits(source_of([f"{i}" for i in range(5)]), 5, 0, 0)


def test_a_fold_that_holds_all_groups_but_one() -> None:
    names = [f"p{person}-a-{i}" for i, person in enumerate([0] * 30 + [1, 2])]
    with pytest.raises(CnnlibError, match="folds: 2 leaves one group for training and validation in fold"):
        [fold_splits(source_of(names, Told), 2, fold, 0) for fold in range(2)]


def test_a_class_of_one_sample_is_no_obstacle() -> None:
    names = [f"{i}-{'b' if i == 7 else 'a'}-x" for i in range(30)]
    tested = [names_in(fold_splits(source_of(names, Told), 3, fold, 0)["test"]) for fold in range(3)]
    assert Counter(chain(*tested)) == Counter(names)
