"""Samples to a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from cnnlib.types import Batch, CnnlibError, Sample, Target


class LazySamples(NamedTuple):
    """The samples of one batch, made as they are asked for."""

    count: int
    samples: Iterator[Sample]


def collate(lazy: LazySamples) -> Batch:
    """Tensors and targets stacked along a new first axis, of anything else a list; ``image_uint8`` becomes ``image``.

    Each sample is copied to its place as soon as it is made, while the processor's cache still holds it. PyTorch's own
    collation makes all samples of a batch first, and takes longer.

    Raises:
        CnnlibError: a sample has other keys, or an entry of another shape or dtype, than the first one.
    """
    batch: Batch = {}
    for index, sample in enumerate(lazy.samples):
        if not batch:
            batch = {key: _empty(key, entry, lazy.count) for key, entry in sample.items()}
        name = f"sample {sample['name']!r}"
        if keys := sample.keys() ^ batch.keys():
            raise CnnlibError(
                f"{name}: {', '.join(sorted(keys))} must be in all samples of a batch, or in none"
            )
        for key, entry in sample.items():
            if key == "image_uint8":
                torch.div(entry, 255, out=_place(batch[key], index, entry, torch.float32, f"{name}: {key!r}"))
            elif isinstance(entry, Tensor | Target):
                for stacked, part in zip(_parts(batch[key]), _parts(entry), strict=True):
                    _place(stacked, index, part, part.dtype, f"{name}: {key!r}").copy_(part)
            else:
                batch[key].append(entry)
    return {"image" if key == "image_uint8" else key: entry for key, entry in batch.items()}


def _parts(entry: Tensor | Target) -> tuple[Tensor, ...]:
    return (entry,) if isinstance(entry, Tensor) else tuple(entry)


def _empty(key: str, entry: Any, count: int) -> Any:
    """The place for ``count`` entries like this one."""
    if isinstance(entry, Target):
        return Target(*(_empty(key, part, count) for part in entry))
    if not isinstance(entry, Tensor):
        return []
    dtype = torch.float32 if key == "image_uint8" else entry.dtype
    shape = (count, *entry.shape)
    if get_worker_info() is None:
        return torch.empty(shape, dtype=dtype)
    # A loading process fills memory that processes share: the batch is then passed on uncopied.
    storage = torch.UntypedStorage._new_shared(math.prod(shape) * dtype.itemsize)
    return torch.empty(0, dtype=dtype).set_(storage, 0, shape)


def _place(stacked: Tensor, index: int, part: Tensor, dtype: torch.dtype, where: str) -> Tensor:
    """That of sample ``index``; ``CnnlibError`` if its shape, or ``dtype``, is not that of the others."""
    if (part.shape, dtype) != (stacked.shape[1:], stacked.dtype):
        raise CnnlibError(
            f"{where} is {part.dtype} {tuple(part.shape)}, others in its batch are {stacked.dtype} "
            f"{tuple(stacked.shape[1:])}: samples of a batch must be alike; set the data set's size, or batch_size: 1"
        )
    return stacked[index]
