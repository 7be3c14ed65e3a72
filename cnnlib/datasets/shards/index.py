"""Where the samples of a tar shard lie, so that any of them is read without those before it.

The index of ``x.tar`` is ``x.index.npz`` beside it. It is made when the shard is written, or else on first use: a shard
that was written by ``webdataset`` itself has none.
"""

from __future__ import annotations

import io
import json
import tarfile
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cnnlib.datasets.shards.members import Members, SampleCodec
from cnnlib.files import read_bytes, write_atomically
from cnnlib.types import CnnlibError

_VERSION = 1
_BLOCK = 512  # bytes; tar files are made of blocks


@dataclass(frozen=True)
class ShardIndex:
    """Of N samples in one shard or, after ``joined``, in several. Groups and classes are UTF-8; empty: none."""

    start: np.ndarray
    """int64 (N,): a sample's first byte, that of its first member's header."""
    stop: np.ndarray
    """int64 (N,): the byte after its last."""
    checksum: np.ndarray
    """uint32 (N,): CRC-32 of the bytes between."""
    group: np.ndarray
    label_class: np.ndarray
    labels: np.ndarray
    """bool (N, T): which of the data set's T targets it has."""

    def __len__(self) -> int:
        return len(self.start)

    @classmethod
    def joined(cls, parts: list[ShardIndex], targets: int) -> ShardIndex:
        """One after the other; ``targets`` is the number of the data set's targets."""
        empty = cls(
            *(np.zeros(0, kind) for kind in ("<i8", "<i8", "<u4", "S1", "S1")), np.zeros((0, targets), bool)
        )
        return cls(
            *(np.concatenate([getattr(each, one.name) for each in (empty, *parts)]) for one in fields(cls))
        )


def shard_index(shard: Path, codec: SampleCodec) -> ShardIndex:
    """The index of a shard, made now and kept beside it if there is none.

    Raises:
        CnnlibError: the shard is missing, damaged or compressed, or is not the one that its index was made of.
    """
    path = index_path(shard)
    try:
        size = shard.stat().st_size
        if path.exists():
            return _read(path, shard, size, codec)
        index = _made(shard, codec)
    except OSError as error:
        raise CnnlibError(f"{error.filename or shard}: cannot be read ({error.strerror})") from None
    content = io.BytesIO()
    about = {"version": _VERSION, "size": size, "targets": np.array(list(codec.tasks), dtype=str)}
    np.savez(content, **about, **{one.name: getattr(index, one.name) for one in fields(ShardIndex)})
    try:
        write_atomically(path, content.getvalue())
    except OSError as error:
        warnings.warn(
            f"{path}: the index of a shard cannot be kept ({error.strerror}), and is made again each time",
            stacklevel=2,
        )
    return index


def index_path(shard: Path) -> Path:
    return shard.with_suffix(".index.npz")


def read_sample(shard: Path, start: int, stop: int, checksum: int) -> Members:
    """The members of the sample that lies in these bytes.

    The file is opened anew each time, so that nothing is shared between processes and no number of shards is too large.

    Raises:
        CnnlibError: it cannot be read, or has changed since the index was made.
    """
    try:
        with shard.open("rb", buffering=0) as file:
            file.seek(start)
            content = file.read(stop - start)
    except OSError as error:
        raise CnnlibError(f"{shard}: cannot be read ({error.strerror})") from None
    if zlib.crc32(content) != checksum:
        raise CnnlibError(
            f"{shard}: bytes {start} to {stop} are damaged, or not those that {index_path(shard).name} was made of; "
            "copy or make the shard anew, or delete the index if the shard was meant to change"
        )
    return _members(shard, content)


def _read(path: Path, shard: Path, size: int, codec: SampleCodec) -> ShardIndex:
    try:
        with np.load(io.BytesIO(read_bytes(path)), allow_pickle=False) as arrays:
            about = (int(arrays["version"]), arrays["targets"].tolist())
            index = ShardIndex(*(arrays[one.name] for one in fields(ShardIndex)))
            indexed_size = int(arrays["size"])
        _check(index, indexed_size, len(about[1]))
    except (
        Exception
    ) as error:  # of a mutilated archive NumPy raises whatever zipfile, zlib and its own parser do
        raise CnnlibError(f"{path}: damaged ({error}); delete it, and it is made again") from None
    if about != (_VERSION, list(codec.tasks)):
        raise CnnlibError(
            f"{path}: made for other targets or by another version; delete it, and it is made again"
        )
    if indexed_size != size:
        raise CnnlibError(
            f"{shard}: has {size} bytes; when {path.name} was made it had {indexed_size}: copy or make the shard anew, "
            "or delete the index if the shard was meant to change"
        )
    return index


def _check(index: ShardIndex, size: int, targets: int) -> None:
    """Raises ``ValueError`` for arrays that are no index of a file of ``size`` bytes."""
    count = index.start.size
    kinds = dict(zip((one.name for one in fields(ShardIndex)), "iiuSSb", strict=True))
    for name, kind in kinds.items():
        array, shape = getattr(index, name), (count, targets) if name == "labels" else (count,)
        if array.dtype.kind != kind or array.shape != shape:
            raise ValueError(f"{name} is {array.dtype} {array.shape}")
    if not ((index.start >= 0) & (index.start < index.stop) & (index.stop <= size)).all():
        raise ValueError("samples that are outside of the shard")
    for text in np.unique(np.concatenate([index.group, index.label_class])).tolist():
        text.decode()


def _made(shard: Path, codec: SampleCodec) -> ShardIndex:
    rows = []
    with shard.open("rb") as file:
        for key, start, stop in _spans(shard, file):
            file.seek(start)
            content = file.read(stop - start)
            members = _members(shard, content)
            try:
                about = json.loads(members["json"])
                name, labels = about["name"], codec.labels(members, about)
                texts = [(about.get(what) or "").encode() for what in ("group", "label_class")]
                name.encode()
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise CnnlibError(
                    f"{shard}: sample {key!r} has no JSON member with its name and targets ({error!r})"
                ) from None
            rows.append((start, stop, zlib.crc32(content), *texts, [each in labels for each in codec.tasks]))
    if not rows:
        raise CnnlibError(f"{shard}: holds no sample")
    kinds = ("<i8", "<i8", "<u4", "S", "S", bool)
    return ShardIndex(
        *(np.array(column, kind) for column, kind in zip(zip(*rows, strict=True), kinds, strict=True))
    )


def _spans(shard: Path, file: BinaryIO) -> Iterator[tuple[str, int, int]]:
    """Each sample's key, and its bytes from the first header to the end of the last member."""
    key, start, stop, end = None, 0, 0, 0
    try:
        with tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                archive.members.clear()  # else it remembers every header
                if member.issparse():  # it claims any size
                    raise ValueError(f"{member.name} is a sparse file")
                end = member.offset_data + -(-member.size // _BLOCK) * _BLOCK
                if not member.isfile():
                    continue
                found, _ = _split_name(member.name)
                if found != key:
                    if key is not None:
                        yield key, start, stop
                    key, start = found, member.offset
                stop = end
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise CnnlibError(f"{shard}: not readable as an uncompressed tar file ({error})") from None
    file.seek(end)
    if file.read(_BLOCK) != bytes(_BLOCK):
        raise CnnlibError(f"{shard}: cut off: the end of a tar file is missing; copy or make it anew")
    if key is not None:
        yield key, start, stop


def _members(shard: Path, content: bytes) -> Members:
    """The files in a part of a tar file, by suffix."""
    members = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            for member in archive:
                if member.isfile() and member.size > len(content):  # as a sparse file may say
                    raise ValueError(f"{member.name} claims {member.size:,} bytes")
                if member.isfile():
                    members[_split_name(member.name)[1]] = archive.extractfile(member).read()
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise CnnlibError(f"{shard}: not readable as an uncompressed tar file ({error})") from None
    return members


def _split_name(name: str) -> tuple[str, str]:
    """The key ends at the first dot of the file's name, as ``webdataset`` has it."""
    folder, slash, file = name.rpartition("/")
    stem, _, suffix = file.partition(".")
    return folder + slash + stem, suffix
