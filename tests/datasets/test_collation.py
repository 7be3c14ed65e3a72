"""Samples to a batch, against PyTorch's own collation."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils.data import default_collate

from cnnlib.augmentations import Pipeline
from cnnlib.datasets.collation import LazySamples, collate
from cnnlib.datasets.loading import evaluation_loader
from cnnlib.datasets.splits import Subset
from cnnlib.types import CnnlibError, Sample, SampleSource, Target


def sample(index: int, side: int = 5) -> Sample:
    generator = torch.Generator().manual_seed(index)
    return {
        "image": torch.rand(3, side, side, generator=generator),
        "mask": Target(torch.rand(1, side, side, generator=generator), torch.ones(1, side, side) > 0),
        "label": Target(torch.tensor(index % 4), torch.tensor(index % 2 == 0)),
        "points": Target(torch.rand(0, 2), torch.ones(0, dtype=torch.bool)),
        "name": f"s{index}",
        "group": "all",
    }


def assert_equal(found: object, expected: object) -> None:
    assert type(found) is type(expected)
    if isinstance(expected, Tensor):
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    elif isinstance(expected, Target):
        for part, own in zip(found, expected, strict=True):
            assert_equal(part, own)
    else:
        assert found == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_the_batches_are_those_of_pytorch(workers: int) -> None:
    samples = [sample(index) for index in range(7)]
    batches = list(evaluation_loader(samples, lambda each: each, 3, workers))
    expected = [default_collate(samples[start : start + 3]) for start in (0, 3, 6)]
    assert len(batches) == 3
    for batch, own in zip(batches, expected, strict=True):
        assert list(batch) == list(own)
        for key in own:
            assert_equal(batch[key], own[key])
        assert batch["image"].is_contiguous()
        assert batch["image"].is_shared() == (workers > 0)


def test_an_image_of_uint8_becomes_one_of_floats() -> None:
    levels = torch.arange(256, dtype=torch.uint8).reshape(1, 16, 16)
    batch = collate(
        LazySamples(
            2, iter([{"image_uint8": levels, "name": "a"}, {"image_uint8": levels.flip(1), "name": "b"}])
        )
    )
    image = torch.from_numpy(levels.numpy() / np.float32(255))
    assert list(batch) == ["image", "name"]
    assert_equal(batch["image"], torch.stack([image, image.flip(1)]))


class Stored:
    """Samples that can be had as they are stored alone."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Sample:
        raise AssertionError("read as floats")

    def stored(self, index: int) -> Sample:
        return {"image_uint8": torch.full((1, 2, 2), index, dtype=torch.uint8), "name": f"s{index}"}


@pytest.mark.parametrize("source", [Stored(), Subset(Stored(), [0, 1, 2])], ids=["source", "subset"])
def test_loaders_take_samples_as_they_are_stored(source: SampleSource) -> None:
    (batch,) = evaluation_loader(source, Pipeline([], {}), 3, 0)
    assert (batch["image"][:, 0, 0, 0] * 255).tolist() == pytest.approx([0, 1, 2])


def test_at_most_two_samples_are_in_memory() -> None:
    made: list[weakref.ref[Tensor]] = []

    def samples() -> Iterator[Sample]:
        for index in range(4):
            assert all(reference() is None for reference in made[:-1])
            image = torch.rand(3, 5, 5)
            made.append(weakref.ref(image))
            yield {"image": image, "name": f"s{index}"}

    assert collate(LazySamples(4, samples()))["image"].shape == (4, 3, 5, 5)


@pytest.mark.parametrize(
    "other", [sample(1, side=1), sample(1) | {"image": torch.zeros(3, 5, 5, dtype=torch.float64)}]
)
def test_samples_that_are_not_alike_are_refused(other: Sample) -> None:
    """Also where the smaller one could be broadcast to the place of the larger one."""
    with pytest.raises(
        CnnlibError, match=r"sample 's1': 'image' is .*torch.float32 \(3, 5, 5\).*set the data set's size"
    ):
        collate(LazySamples(2, iter([sample(0), other])))


@pytest.mark.parametrize(("first", "key"), [(0, "mask"), (1, "mask"), (0, "group"), (1, "group")])
def test_a_key_that_not_all_samples_have_is_refused(first: int, key: str) -> None:
    """Else what stands in its place would be whatever the memory held before."""
    samples = [sample(0), {name: entry for name, entry in sample(1).items() if name != key}]
    with pytest.raises(CnnlibError, match=rf"'s{1 - first}': {key} must be in all samples of a batch"):
        collate(LazySamples(2, iter(samples if first == 0 else samples[::-1])))
