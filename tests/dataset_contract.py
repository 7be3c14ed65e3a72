"""What every data set of the library promises; each function takes a small data set and checks one promise."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from cnnlib.datasets.splits import stored_sample
from cnnlib.tasks import TASKS
from cnnlib.types import CnnlibError, DataSource, Sample, Split, Target

PARTS = get_args(Split)


def _samples(data: DataSource) -> Iterator[Sample]:
    for part in PARTS:
        split = data.split(part)
        yield from (split[index] for index in range(len(split)))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor):
        return one.dtype == other.dtype and torch.allclose(one, other, rtol=0, atol=0, equal_nan=True)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(value, other[key]) for key, value in one.items())
    if isinstance(one, Target):
        return all(_same(a, b) for a, b in zip(one, other, strict=True))
    return one == other


def gives_images_as_it_says(data: DataSource) -> None:
    for sample in _samples(data):
        image = sample["image"]
        assert image.dtype == torch.float32
        assert image.shape[0] == sum(data.inputs.values())
        assert data.size is None or image.shape[1:] == (data.size, data.size)
        assert image.min() >= 0
        assert 0.5 < image.max() <= 1  # not levels of 0 to 255, and not divided twice


def gives_images_as_they_are_stored(data: DataSource) -> None:
    """Where it gives them so."""
    for split in map(data.split, PARTS):
        for index in range(len(split)):
            stored = stored_sample(split, index)
            if "image_uint8" in stored:
                assert stored["image_uint8"].dtype == torch.uint8
                stored["image"] = torch.from_numpy(stored.pop("image_uint8").numpy() / np.float32(255))
            assert _same(stored, split[index])


def gives_targets_that_fit_their_tasks(data: DataSource) -> None:
    assert data.targets
    seen = set()
    for sample in _samples(data):
        size = tuple(sample["image"].shape[-2:])
        for key in data.targets.keys() & sample.keys():
            task = TASKS[data.targets[key].kind](info=data.targets[key])
            target = task.check(sample[key], size)
            task.check_values(task.valid_values(target))
            seen.add(key)
    assert seen == set(data.targets)


def has_nothing_else_in_a_sample(data: DataSource) -> None:
    """A missing label is no key; whether a target is valid stands in the target."""
    for sample in _samples(data):
        assert sample.keys() - data.targets.keys() - {"group"} == {"image", "name"}
        assert isinstance(sample["name"], str)
        assert isinstance(sample.get("group", ""), str)


def tells_the_labels_of_a_sample(data: DataSource) -> None:
    for part in PARTS:
        split = data.split(part)
        for index in range(len(split)):
            labels = split.labels(index) if hasattr(split, "labels") else None
            assert labels is None or set(labels) == split[index].keys() & data.targets.keys()


def tells_the_files_of_a_sample(data: DataSource) -> None:
    """Its own picture first, which no other sample has; all of a data set have files, or none."""
    found = [
        split.files(i)
        for split in map(data.split, PARTS)
        if hasattr(split, "files")
        for i in range(len(split))
    ]
    known = [files for files in found if files]
    assert len(known) in (0, len(list(_samples(data))))
    assert len({files[0] for files in known}) == len(known)
    assert all(path.is_file() for files in known for path in files)


def gives_a_sample_by_its_index_alone(data: DataSource) -> None:
    for part in PARTS:
        split = data.split(part)
        forwards = [split[index] for index in range(len(split))]
        again = pickle.loads(pickle.dumps(split))  # as a worker process gets it
        torch.manual_seed(1)
        for index in reversed(range(len(split))):
            assert _same(again[index], forwards[index])


def has_no_sample_outside_of_its_length(data: DataSource) -> None:
    for part in PARTS:
        split = data.split(part)
        for index in (len(split), -1):
            with pytest.raises(IndexError, match=f"no index {index}"):
                split[index]


def shares_no_sample_and_no_group_between_splits(data: DataSource) -> None:
    seen: dict[tuple[str, str], str] = {}
    names = []
    for part in PARTS:
        split = data.split(part)
        assert len(split)
        for sample in (split[index] for index in range(len(split))):
            names.append(sample["name"])
            for key in ("name", "group"):
                if key in sample:
                    assert seen.setdefault((key, sample[key]), part) == part
    assert len(set(names)) == len(names)


def stacks_into_batches_once_missing_targets_are_filled_in(data: DataSource) -> None:
    samples = list(_samples(data))
    size = tuple(samples[0]["image"].shape[-2:])
    filled = []
    for sample in samples:
        kept = {"image": sample["image"]}
        for key, info in data.targets.items():
            task = TASKS[info.kind](info=info)
            kept[key] = task.check(sample[key], size) if key in sample else task.missing(size)
        filled.append(kept)
    batch = default_collate(filled)
    for key in data.targets:
        assert batch[key].valid.dtype == torch.bool
        assert len(batch[key].value) == len(samples)


def refuses_another_split(data: DataSource) -> None:
    with pytest.raises(CnnlibError, match="train, val, test; got 'validation'"):
        data.split("validation")  # type: ignore[arg-type]


def finds_nothing_wrong_with_good_files(data: DataSource) -> None:
    if hasattr(data, "check"):
        data.check()


DATASET_CONTRACT: tuple[Callable[[DataSource], None], ...] = (
    gives_images_as_it_says,
    gives_targets_that_fit_their_tasks,
    gives_images_as_they_are_stored,
    has_nothing_else_in_a_sample,
    tells_the_labels_of_a_sample,
    tells_the_files_of_a_sample,
    gives_a_sample_by_its_index_alone,
    has_no_sample_outside_of_its_length,
    shares_no_sample_and_no_group_between_splits,
    stacks_into_batches_once_missing_targets_are_filled_in,
    refuses_another_split,
    finds_nothing_wrong_with_good_files,
)
