"""Batches whose randomness depends on (seed, epoch, sample) alone: not on workers, order or interruptions."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, repeat

import numpy as np
import torch
from torch import Tensor, distributed
from torch.utils.data import DataLoader, Dataset, Sampler

from cnnlib.datasets.collation import LazySamples, collate
from cnnlib.datasets.splits import Subset, info_of_all, sample_info, stored_sample
from cnnlib.seeds import derived_seed
from cnnlib.types import CnnlibError, Sample, SampleSource


def labelled(source: SampleSource, names: Iterable[str]) -> SampleSource:
    """The samples that have at least one of the targets ``names``; those of which it is not known, too."""
    wanted = set(names)

    def is_wanted(index: int) -> bool:
        labels = sample_info(source, "labels", index)
        return labels is None or not wanted.isdisjoint(labels)

    return Subset(source, np.flatnonzero([is_wanted(index) for index in range(len(source))]))


def balanced_weights(source: SampleSource) -> Tensor:
    """How often each sample is to be drawn, float64 (N,) of sum 1: each class equally often, its samples alike.

    Raises:
        CnnlibError: ``source`` does not give the class of every sample.
    """
    classes = info_of_all(source, "label_class")
    if classes is None:
        raise CnnlibError(
            "balance: true needs the class of every training sample, and the data set does not give it for all of "
            "them: give it a label of one class per sample, or leave balance out"
        )
    _, index, counts = np.unique(classes, return_inverse=True, return_counts=True)
    return torch.from_numpy(1 / (len(counts) * counts[index]))


@dataclass
class SeededSamples(Dataset[Sample]):
    """Samples after a random transform, each under a generator of its own; asked for by ``(epoch, index)``."""

    source: SampleSource
    transform: Callable[[Sample], Sample]
    seed: int

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        epoch, index = key
        with torch.random.fork_rng(devices=[]):
            torch.random.default_generator.manual_seed(derived_seed(self.seed, epoch, index))
            return self.transform(stored_sample(self.source, index))

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> LazySamples:
        """Of a batch, for ``collate``: ``DataLoader`` calls this method if it is there."""
        return LazySamples(len(keys), (self[key] for key in keys))


@dataclass
class EpochSampler(Sampler[tuple[int, int]]):
    """Yields ``(epoch, index)``; shuffled by (seed, epoch) or in order. Set ``epoch`` before iterating.

    With ``weights`` (length,), as many are drawn at random, with replacement, each as often as its weight says.

    Of ``ranks`` processes that train together each takes every ``ranks``-th of one order, from its ``rank`` on: step k
    of all, with batches of b, has the samples of step k of a single process with batches of ``ranks`` b. So that all
    have equally many, what is left over (fewer than ``ranks``; others in each epoch) is passed over.
    """

    length: int
    seed: int
    shuffle: bool
    weights: Tensor | None = None
    epoch: int = 0
    rank: int = 0
    ranks: int = 1

    def __len__(self) -> int:
        return self.length // self.ranks

    def __iter__(self) -> Iterator[tuple[int, int]]:
        own = islice(self._order(), self.rank, len(self) * self.ranks, self.ranks)
        return zip(repeat(self.epoch), own)

    def _order(self) -> Iterable[int]:
        if not self.shuffle:
            return range(self.length)
        generator = torch.Generator().manual_seed(derived_seed(self.seed, self.epoch))
        if self.weights is None:
            return torch.randperm(self.length, generator=generator).tolist()
        return torch.multinomial(self.weights, self.length, replacement=True, generator=generator).tolist()


def training_loader(
    source: SampleSource,
    transform: Callable[[Sample], Sample],
    batch_size: int,
    workers: int,
    seed: int,
    weights: Tensor | None = None,
) -> DataLoader[Sample]:
    """Shuffled batches. The last batch is dropped where it is not full, unless it is the only one.

    Of processes that train together (in a group of ``torch.distributed``) each gets its share.

    Batch normalisation would give one or two images that are left over the weight, and the noise, of a whole batch.

    Args:
        weights: how often each sample is drawn, with replacement, in an epoch of as many samples; ``None``: once.
    """
    return _loader(SeededSamples(source, transform, seed), batch_size, workers, shuffle=True, weights=weights)


def evaluation_loader(
    source: SampleSource, transform: Callable[[Sample], Sample], batch_size: int, workers: int
) -> DataLoader[Sample]:
    """Every sample once, in order; all of them in each of several processes."""
    return _loader(SeededSamples(source, transform, seed=0), batch_size, workers, shuffle=False)


def _loader(
    samples: SeededSamples, batch_size: int, workers: int, shuffle: bool, weights: Tensor | None = None
) -> DataLoader[Sample]:
    together = shuffle and distributed.is_available() and distributed.is_initialized()
    rank, ranks = (distributed.get_rank(), distributed.get_world_size()) if together else (0, 1)
    sampler = EpochSampler(len(samples), samples.seed, shuffle, weights, rank=rank, ranks=ranks)
    return DataLoader(
        samples,
        batch_size=batch_size,
        sampler=sampler,
        collate_fn=collate,
        num_workers=workers,
        drop_last=shuffle and len(sampler) > batch_size,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
        # Forked workers watch the process that they serve; those of a fork server would outlive it when it is killed.
        multiprocessing_context="fork" if workers > 0 and sys.platform == "linux" else None,
        generator=torch.Generator(),  # else the loader draws from the global one, by the number of workers
    )
