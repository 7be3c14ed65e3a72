"""Writing a data set as tar shards."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args

from annotated_types import Ge
from torch.utils.data import DataLoader, Dataset

from cnnlib.checks import checked
from cnnlib.datasets.file_states import samples_digest
from cnnlib.datasets.shards.index import index_path, shard_index
from cnnlib.datasets.shards.members import ImageFormat, SampleCodec
from cnnlib.datasets.shards.source import DESCRIPTION, SHARD_SET, ShardSet, read_shard_set
from cnnlib.datasets.splits import sample_info
from cnnlib.files import locked, write_atomically
from cnnlib.progress import shown
from cnnlib.tasks.saved import DataDescription
from cnnlib.types import CnnlibError, DataSource, SampleSource, Split


@checked
def write_shards(
    source: DataSource,
    out: Path,
    made_from: Mapping[str, Any],
    samples_per_shard: Annotated[int, Ge(1)] = 1000,
    image_format: ImageFormat = "png",
    jobs: Annotated[int, Ge(0)] = 0,
) -> int:
    """Writes every sample of a data set to ``out``, and returns the number of shards that were not there before.

    A shard appears under its name when it is whole; what an interrupted call has finished is not made again.

    Args:
        made_from: what the samples depend on beside their files, as JSON knows it.
        image_format: ``png`` or ``webp``, without loss, or ``jpg``.
        jobs: processes that write, a shard each at a time; 0 writes in this one.

    Raises:
        CnnlibError: ``webdataset`` is not installed, a sample cannot be read, or ``out`` holds other shards.
    """
    _load_tar_writer()
    data = DataDescription(
        dict(source.inputs), dict(source.targets), source.size, getattr(source, "fit", "stretch")
    )
    splits = {part: source.split(part) for part in get_args(Split)}
    spans = {part: _spans(part, len(split), samples_per_shard) for part, split in splits.items()}
    counts = {part: len(split) for part, split in splits.items()}
    made_from = {
        **made_from,
        "image_format": image_format,
        "samples_per_shard": samples_per_shard,
        "counts": counts,
        "files": samples_digest(splits.values()),
    }
    shards = ShardSet(
        data,
        {part: list(names) for part, names in spans.items()},
        getattr(source, "fixed_test", False),
        made_from,
    )
    with locked(out, "another process writes shards in this folder; wait for it"):
        _begin(out, SHARD_SET.validate_json(SHARD_SET.dump_json(shards)))
        jobs_left = [
            _Job(splits[part], span, out / name)
            for part, names in spans.items()
            for name, span in names.items()
            if not (out / name).exists()
        ]
        writer = _Writer(jobs_left, SampleCodec(data, image_format))
        loader = DataLoader(
            writer,
            batch_size=None,
            num_workers=min(jobs, len(jobs_left)),
            multiprocessing_context="fork" if jobs and jobs_left and sys.platform == "linux" else None,
        )
        for error in shown(loader, "writing shards", len(jobs_left)):
            if error:
                raise CnnlibError(error)
        for left in out.glob(".*.tar.*.partial"):  # of processes that were killed
            left.unlink()
    return len(jobs_left)


@dataclass(frozen=True)
class _Job:
    samples: SampleSource
    span: range
    path: Path


@dataclass(frozen=True)
class _Writer(Dataset[str]):
    """Item i writes shard i; it is what went wrong, or an empty text."""

    jobs: list[_Job]
    codec: SampleCodec

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, index: int) -> str:
        try:
            self._write(self.jobs[index])
        except (CnnlibError, OSError) as error:
            return f"{self.jobs[index].path}: {error}"
        return ""

    def _write(self, job: _Job) -> None:
        partial = job.path.with_name(f".{job.path.name}.{os.getpid()}.partial")
        try:
            with partial.open("wb") as file:
                # A fixed time, so that a shard depends on its samples alone.
                with _load_tar_writer()(file, encoder=False, mtime=0, user="", group="") as archive:
                    for number in job.span:
                        sample = job.samples[number]
                        members = self.codec.encode(sample, sample_info(job.samples, "label_class", number))
                        archive.write(
                            {"__key__": f"{job.path.stem}-{number - job.span.start:06d}", **members}
                        )
                file.flush()
                os.fsync(file.fileno())
            index_path(job.path).unlink(missing_ok=True)  # of a shard that was deleted
            partial.replace(job.path)
        finally:
            partial.unlink(missing_ok=True)
        shard_index(job.path, self.codec)


def _spans(part: Split, count: int, samples_per_shard: int) -> dict[str, range]:
    """From each shard's name to the indices of its samples."""
    starts = range(0, count, samples_per_shard)
    return {
        f"{part}-{number:06d}.tar": range(start, min(start + samples_per_shard, count))
        for number, start in enumerate(starts)
    }


def _begin(out: Path, shards: ShardSet) -> None:
    """``shards.json``, which must not describe others if it is there."""
    if (out / DESCRIPTION).exists():
        if read_shard_set(out) != shards:
            raise CnnlibError(
                f"{out.absolute()} holds shards of other data, files or options; choose another folder, or delete it"
            )
        return
    write_atomically(out / DESCRIPTION, SHARD_SET.dump_json(shards, indent=2) + b"\n")


def _load_tar_writer() -> Any:
    try:
        from webdataset import TarWriter
    except ImportError:
        raise CnnlibError(
            "writing shards needs webdataset, which is not installed: pip install 'cnnlib[shards]'"
        ) from None
    return TarWriter
