"""Samples to a batch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from cnnlib.types import Batch, CnnlibError, Sample, Target


class LazySamples(NamedTuple):
    """The samples of one batch, made as they are asked for."""

    count: int
    samples: Iterator[Sample]


def collate(lazy: LazySamples) -> Batch:
    """Tensors and targets stacked along a new first axis, of anything else a list; ``levels`` become ``image``.

    Each sample is copied to its place while the processor's cache still holds it, and is then let go. PyTorch's own
    collation makes all samples of a batch first, and takes longer.

    Raises:
        CnnlibError: a sample has other keys, or an entry of another shape or dtype, than the first one.
    """
    batch: Batch = {}
    for index, sample in enumerate(lazy.samples):
        if not batch:
            batch = _empty_batch(sample, lazy.count)
        if keys := _batch_keys(sample) ^ batch.keys():
            raise CnnlibError(
                f"sample {sample['name']!r}: {', '.join(sorted(keys))} must be in all samples of a batch, or in none"
            )
        for key, entry in sample.items():
            where = f"sample {sample['name']!r}: {key!r}"
            if key == "levels":
                torch.div(entry, 255, out=_place(batch["image"], index, entry.shape, torch.float32, where))
            elif isinstance(entry, Tensor):
                _place(batch[key], index, entry.shape, entry.dtype, where).copy_(entry)
            elif isinstance(entry, Target):
                for stacked, part in zip(batch[key], entry, strict=True):
                    _place(stacked, index, part.shape, part.dtype, where).copy_(part)
            else:
                batch[key].append(entry)
    return batch


def _empty_batch(sample: Sample, count: int) -> Batch:
    """A batch of ``count`` samples that are yet to come."""
    batch: Batch = {}
    for key, entry in sample.items():
        if key == "levels":
            batch["image"] = _empty(count, entry.shape, torch.float32)
        elif isinstance(entry, Tensor):
            batch[key] = _empty(count, entry.shape, entry.dtype)
        elif isinstance(entry, Target):
            batch[key] = Target(*(_empty(count, part.shape, part.dtype) for part in entry))
        else:
            batch[key] = []
    return batch


def _batch_keys(sample: Sample) -> set[str]:
    return {"image" if key == "levels" else key for key in sample}


def _empty(count: int, shape: torch.Size, dtype: torch.dtype) -> Tensor:
    """In a loading process, in memory that processes share: the batch is then passed on uncopied."""
    if get_worker_info() is None:
        return torch.empty((count, *shape), dtype=dtype)
    storage = torch.UntypedStorage._new_shared(count * shape.numel() * dtype.itemsize)
    return torch.empty(0, dtype=dtype).set_(storage, 0, (count, *shape))


def _place(stacked: Tensor, index: int, shape: torch.Size, dtype: torch.dtype, where: str) -> Tensor:
    """The place of sample ``index``; ``CnnlibError`` if its shape or dtype is not that of the others."""
    if (shape, dtype) != (stacked.shape[1:], stacked.dtype):
        raise CnnlibError(
            f"{where} is {dtype} {tuple(shape)}, others in its batch are {stacked.dtype} {tuple(stacked.shape[1:])}: "
            "samples of a batch must be alike; set the data set's size, or batch_size: 1"
        )
    return stacked[index]
