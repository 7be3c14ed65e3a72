"""Samples from tar shards: for data that no memory holds, and no folder with millions of files."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pydantic import TypeAdapter, ValidationError

from cnnlib.checks import checked
from cnnlib.datasets.numbered_splits import NumberedSplits
from cnnlib.datasets.options import CheckCount
from cnnlib.datasets.shards.index import ShardIndex, index_path, read_sample, shard_index
from cnnlib.datasets.shards.members import Members, SampleCodec
from cnnlib.files import read_bytes, user_path
from cnnlib.progress import shown
from cnnlib.tasks.saved import DataDescription
from cnnlib.types import CnnlibError, EmbeddedPicture, Sample, SampleSource, Split

DESCRIPTION = "shards.json"


@dataclass(frozen=True)
class ShardSet:
    """What ``shards.json`` holds."""

    data: DataDescription
    splits: dict[Split, list[str]]
    """The tar files of each split, in order."""
    fixed_test: bool = False
    """As of ``DataSource``."""
    made_from: dict[str, Any] = field(default_factory=dict)
    """What they were made from, to go on with that and nothing else."""


SHARD_SET = TypeAdapter(ShardSet)


class Shards(NumberedSplits):
    """The data set that ``tools/make_shards.py`` wrote: ``shards.json`` and tar files in the layout of WebDataset.

    Any sample is read by itself, from the bytes where an index says that it lies. So the order of samples, what is
    drawn for each, and going on after an interruption are those of every other data set: functions of seed, epoch and
    sample, for any number of workers. Memory holds the index alone, some 30 bytes per sample and what its group's name
    takes. A read opens one file and reads one range of it: next to nothing on a local disk, but one or two requests on
    a network disk, or a seek on a hard disk. Where that is too slow, copy the shards to a local disk, or take more
    ``workers``.

    Shards that ``webdataset`` wrote with the same members (``cnnlib/datasets/shards/members.py``) are indexed when they
    are first used; ``shards.json`` may be written by hand.

    Args:
        root: the folder of the shards.
        check: how many samples ``check`` decodes, spread evenly; by default all.

    Raises:
        CnnlibError: ``root`` holds no finished set of shards, or a shard is damaged; it is named.
    """

    @checked
    def __init__(self, root: str, check: CheckCount | None = None) -> None:
        folder = user_path(root, "root")
        shards = read_shard_set(folder)
        missing = [
            name for names in shards.splits.values() for name in names if not (folder / name).is_file()
        ]
        if missing:
            raise CnnlibError(
                f"{folder.absolute()}: {len(missing)} shards are missing, such as {missing[0]}; where "
                "tools/make_shards.py was interrupted, the same command goes on"
            )
        self.inputs, self.targets = shards.data.inputs, shards.data.targets
        self.size, self.fit = shards.data.size, shards.data.fit
        self.fixed_test = shards.fixed_test
        codec = SampleCodec(shards.data)
        splits: dict[Split, SampleSource] = {}
        for part in get_args(Split):
            paths = [folder / name for name in shards.splits.get(part, ())]
            parts = [shard_index(path, codec) for path in shown(paths, f"indexing {part}")]
            ends = np.cumsum([len(each) for each in parts], dtype=np.int64)
            splits[part] = ShardSplit(codec, paths, ends, ShardIndex.joined(parts, len(self.targets)))
        super().__init__(splits, f"the data set in {folder.absolute()}", check)


@dataclass
class ShardSplit:
    """The samples of one split."""

    codec: SampleCodec
    paths: Sequence[Path]
    ends: np.ndarray
    """How many samples there are up to the end of each shard, int64."""
    index: ShardIndex

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, index: int) -> Sample:
        """
        Raises:
            CnnlibError: the sample is damaged; its shard is named.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} samples; there is no index {index}")
        shard = self._shard(index)
        members = self._members(index)
        with _named(shard, self.index.start[index]):
            sample = self.codec.decode(members)
            labels, group = sample.keys() & self.codec.tasks.keys(), sample.get("group")
            if labels != set(self.labels(index)) or group != self.group(index):
                raise CnnlibError(
                    f"its targets or its group are not those in {index_path(shard).name}; delete that, and it is made "
                    "again"
                )
            return sample

    def labels(self, index: int) -> Collection[str]:
        return [key for key, there in zip(self.codec.tasks, self.index.labels[index], strict=True) if there]

    def group(self, index: int) -> str | None:
        return self.index.group[index].decode() or None

    def label_class(self, index: int) -> str | None:
        return self.index.label_class[index].decode() or None

    def picture(self, index: int) -> EmbeddedPicture:
        number = index - int(self.ends[self.ends <= index].max(initial=0))
        place = f"{self._shard(index)}, sample {number} (counted from 0)"
        return EmbeddedPicture(place, lambda: self.codec.picture(self._members(index)))

    def _shard(self, index: int) -> Path:
        return self.paths[int(np.searchsorted(self.ends, index, side="right"))]

    def _members(self, index: int) -> Members:
        span = (int(each[index]) for each in (self.index.start, self.index.stop, self.index.checksum))
        return read_sample(self._shard(index), *span)


def read_shard_set(folder: Path) -> ShardSet:
    """What ``shards.json`` in a folder holds.

    Raises:
        CnnlibError: it is missing or damaged.
    """
    path = folder / DESCRIPTION
    try:
        shards = SHARD_SET.validate_json(read_bytes(path))
    except OSError as error:
        raise CnnlibError(
            f"{path.absolute()}: cannot be read ({error.strerror}); tools/make_shards.py writes it with the shards"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise CnnlibError(f"{path.absolute()}: damaged ({place}: {first['msg']})") from None
    for name in (name for names in shards.splits.values() for name in names):
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise CnnlibError(f"{path.absolute()}: the shard {name!r} is not below {folder.absolute()}")
    return shards


@contextmanager
def _named(shard: Path, start: int) -> Iterator[None]:
    """Errors name the shard."""
    try:
        yield
    except Exception as error:  # damaged members raise whatever Pillow, NumPy and JSON do
        text = str(error) if isinstance(error, CnnlibError) else f"{type(error).__name__}: {error}"
        raise CnnlibError(
            f"{shard}: the sample at byte {start} is no sample of this data set: {text}"
        ) from None
