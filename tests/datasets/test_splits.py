"""Splits: every sample once, groups whole, shares met, the same every time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.datasets.splits import Subset, split_indices, tiny_subset
from cnnlib.types import CnnlibError

shares = st.floats(0.01, 0.49)


@given(count=st.integers(3, 300), val=shares, test=shares, seed=st.integers(0, 1000))
def test_each_sample_is_in_one_split_and_shares_are_met(
    count: int, val: float, test: float, seed: int
) -> None:
    parts = split_indices(count, val, test, seed)
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(count))
    assert all(len(indices) for indices in parts.values())
    assert abs(len(parts["val"]) - val * count) <= 1
    assert abs(len(parts["test"]) - test * count) <= 1
    for indices in parts.values():
        assert (np.diff(indices) > 0).all()


@given(groups=st.lists(st.sampled_from("abcdefgh"), min_size=3, max_size=100), seed=st.integers(0, 1000))
def test_groups_are_never_divided(groups: list[str], seed: int) -> None:
    if len(set(groups)) < 3:
        with pytest.raises(CnnlibError, match="at least 3"):
            split_indices(len(groups), 0.2, 0.2, seed, groups)
        return
    parts = split_indices(len(groups), 0.2, 0.2, seed, groups)
    members = [{groups[index] for index in indices} for indices in parts.values()]
    assert all(members)
    assert sum(map(len, members)) == len(set(groups))
    assert sum(map(len, parts.values())) == len(groups)


@given(seed=st.integers(0, 200))
def test_groups_of_very_different_sizes_still_give_the_shares(seed: int) -> None:
    groups = ["big"] * 500 + [f"small{i // 5}" for i in range(500)]
    parts = split_indices(1000, 0.1, 0.2, seed, groups)
    assert abs(len(parts["val"]) - 100) <= 5
    assert abs(len(parts["test"]) - 200) <= 5


def test_large_shares_leave_a_group_for_every_split() -> None:
    for seed in range(20):
        parts = split_indices(6, 0.09, 0.9, seed, list("aabbcc"))
        assert [len(indices) for indices in parts.values()] == [2, 2, 2]


def test_the_seed_decides() -> None:
    first, again, other = (split_indices(100, 0.2, 0.2, seed)["test"] for seed in (1, 1, 2))
    assert first.tolist() == again.tolist()
    assert first.tolist() != other.tolist()


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan"), "0.1", True])
@pytest.mark.parametrize("name", ["val", "test"])
def test_bad_shares_are_named(name: str, share: float) -> None:
    with pytest.raises(CnnlibError, match=f"^{name} must be "):
        split_indices(10, **{"val": 0.1, "test": 0.1, "seed": 0, name: share})


def test_shares_must_leave_something_for_training() -> None:
    with pytest.raises(CnnlibError, match=r"leave samples for training; got val=0\.5 \+ test=0\.5"):
        split_indices(10, 0.5, 0.5, 0)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_samples(count: int) -> None:
    with pytest.raises(CnnlibError, match="at least 3"):
        split_indices(count, 0.1, 0.1, 0)


@given(count=st.integers(0, 100), size=st.integers(0, 120), seed=st.integers(0, 1000))
def test_a_tiny_subset_has_its_size_and_no_sample_twice(count: int, size: int, seed: int) -> None:
    indices = tiny_subset(count, size, seed).tolist()
    assert len(indices) == min(count, size)
    assert indices == sorted(set(indices))
    assert set(indices) <= set(range(count))


def test_a_tiny_subset_is_spread_over_the_whole() -> None:
    hits = np.bincount(np.concatenate([tiny_subset(20, 5, seed) for seed in range(400)]), minlength=20)
    assert hits.min() > 60  # of 100 expected
    assert hits.max() < 140


def test_a_subset_maps_its_indices() -> None:
    source = [{"name": letter} for letter in "abcd"]
    subset = Subset(source, [3, 1])
    assert [sample["name"] for sample in subset] == ["d", "b"]
    assert len(subset) == 2
    for outside in (-1, 2):
        with pytest.raises(IndexError, match=f"2 samples; there is no index {outside}"):
            subset[outside]


@given(
    groups=st.lists(st.sampled_from("abcdefgh"), min_size=2, max_size=60),
    val=shares,
    seed=st.integers(0, 1000),
)
def test_without_a_test_there_are_two_splits(groups: list[str], val: float, seed: int) -> None:
    if len(set(groups)) < 2:
        with pytest.raises(CnnlibError, match="training and validation need at least 2 samples that may be"):
            split_indices(len(groups), val, None, seed, groups)
        return
    parts = split_indices(len(groups), val, None, seed, groups)
    assert parts.keys() == {"train", "val"}
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(groups)))
    members = [{groups[index] for index in indices} for indices in parts.values()]
    assert all(members)
    assert members[0].isdisjoint(members[1])
    assert np.array_equal(split_indices(50, 0.2, None, 3)["val"], split_indices(50, 0.2, None, 3)["val"])
    assert len(split_indices(50, 0.2, None, 3)["val"]) == 10


@given(
    rows=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("rstuvw")), min_size=3, max_size=80),
    seed=st.integers(0, 1000),
)
def test_no_group_of_either_kind_is_in_two_splits(rows: list[tuple[str, str]], seed: int) -> None:
    kinds = list(zip(*rows, strict=True))
    try:
        parts = split_indices(len(rows), 0.3, 0.3, seed, *kinds)
    except CnnlibError:  # too few groups, or a split without a sample: what is said of these is tested below
        return
    used = np.concatenate(list(parts.values())).tolist()
    assert len(used) == len(set(used))
    for kind in kinds:
        members = [{kind[index] for index in indices} for indices in parts.values()]
        assert all(members)
        assert sum(map(len, members)) == len(set().union(*members))


def test_only_samples_whose_groups_fall_on_different_sides_are_left_out() -> None:
    rows = [(background, foreground) for background in range(10) for foreground in range(10)]
    backgrounds, foregrounds = zip(*rows, strict=True)
    parts = split_indices(100, 0.2, 0.2, 0, backgrounds, foregrounds)
    assert [len(indices) for indices in parts.values()] == [36, 4, 4]  # 6 x 6, 2 x 2, 2 x 2
    alike = split_indices(100, 0.2, 0.2, 0, backgrounds, backgrounds)
    assert sum(map(len, alike.values())) == 100


def test_a_split_that_would_be_empty_is_told() -> None:
    """Three backgrounds with one foreground each, turned by one: no sample falls on one side with both."""
    backgrounds = np.repeat([0, 1, 2], 5)
    found = [
        np.unique(backgrounds[indices]) for indices in split_indices(15, 0.3, 0.3, 0, backgrounds).values()
    ]
    turned = np.empty(3, np.int64)
    turned[np.concatenate(found)] = np.roll(np.concatenate(found), 1)
    with pytest.raises(CnnlibError, match="the train split gets none of the 15 samples"):
        split_indices(15, 0.3, 0.3, 0, backgrounds, turned[backgrounds])
