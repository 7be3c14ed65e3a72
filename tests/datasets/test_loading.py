"""Drawing training samples so that classes come alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from cnnlib.datasets.loading import EpochSampler, balanced_weights, training_loader
from cnnlib.types import CnnlibError

CLASSES = ["a"] * 70 + ["b"] * 25 + ["c"] * 5


class Samples:
    """Each knows its index and its class."""

    def __init__(self, classes: list[str | None]) -> None:
        self.classes = classes

    def __len__(self) -> int:
        return len(self.classes)

    def __getitem__(self, index: int) -> dict[str, int]:
        return {"index": index}

    def label_class(self, index: int) -> str | None:
        return self.classes[index]


def same(sample: dict[str, int]) -> dict[str, int]:
    return sample


def drawn(workers: int, epoch: int) -> list[int]:
    source = Samples(CLASSES)
    loader = training_loader(source, same, 10, workers, 3, balanced_weights(source))
    loader.sampler.epoch = epoch
    return torch.cat([batch["index"] for batch in loader]).tolist()


def test_classes_are_drawn_alike() -> None:
    sampler = EpochSampler(100, 0, True, balanced_weights(Samples(CLASSES)))
    indices = []
    for epoch in range(200):
        sampler.epoch = epoch
        own = [index for _, index in sampler]
        assert len(own) == 100
        indices += own
    assert chisquare(np.unique([CLASSES[i] for i in indices], return_counts=True)[1]).pvalue > 1e-3
    of_one_class = np.bincount(indices, minlength=100)[70:95]
    assert chisquare(of_one_class).pvalue > 1e-3


def test_draws_depend_on_seed_and_epoch_alone() -> None:
    assert drawn(0, 5) == drawn(2, 5) == drawn(0, 5)
    assert drawn(0, 5) != drawn(0, 6)


def test_classes_must_be_told() -> None:
    with pytest.raises(CnnlibError, match="1 of 3 tell none"):
        balanced_weights(Samples(["a", None, "b"]))
    with pytest.raises(CnnlibError, match="all training samples are 'a'"):
        balanced_weights(Samples(["a", "a"]))
