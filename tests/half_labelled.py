"""Scenes in which half of the labels of each task are missing, and the labelled ones alone, for tests."""

from __future__ import annotations

from dataclasses import dataclass

from cnnlib.datasets import Scenes
from cnnlib.types import Sample, SampleSource, Split


def has_label(index: int, name: str) -> bool:
    """Half of the samples, other ones for each target."""
    return (index * 7919 + len(name) * 31) % 4 < 2


@dataclass
class _Dropped:
    source: SampleSource
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        sample = self.source[index]
        return {key: value for key, value in sample.items() if key not in self.names or has_label(index, key)}

    def labels(self, index: int) -> frozenset[str]:
        return frozenset(name for name in self.names if has_label(index, name))


@dataclass
class _Kept:
    source: SampleSource
    indices: list[int]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.source[self.indices[index]]


class HalfLabelled(Scenes):
    """Every target is missing in half of the samples of every split."""

    def split(self, part: Split) -> SampleSource:
        return _Dropped(super().split(part), tuple(self.targets))


class OnlyMasked(Scenes):
    """The samples of ``HalfLabelled`` that have a mask, with all their targets."""

    def split(self, part: Split) -> SampleSource:
        source = super().split(part)
        return _Kept(source, [index for index in range(len(source)) if has_label(index, "mask")])
