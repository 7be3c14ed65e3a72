"""What is in a data set: a row for each sample, and what follows from all of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from cnnlib.datasets.fingerprints import Fingerprints
from cnnlib.datasets.splits import sample_info
from cnnlib.datasets.statistics import ChannelStatistics
from cnnlib.pictures import open_picture
from cnnlib.progress import shown
from cnnlib.tasks import Task
from cnnlib.tasks.drawing import to_uint8
from cnnlib.types import CnnlibError, Sample, SampleSource, Split, Target

COLUMNS = (
    "split",
    "name",
    "group",
    "height",
    "width",
    "file",
    "stored",
    "mode",
    "labels",
    "sha256",
    "problem",
)


@dataclass
class Inspection:
    """Of all splits.

    Attributes:
        rows: of each sample, the values of ``COLUMNS``, and what its targets say, under ``<task>/<what>``; what is not
            known is missing. ``stored`` is the file's width x height; ``sha256`` that of the file's bytes, and of the
            image's where there is no file.
        channels: of the training split's images.
        problems: of samples that cannot be read.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    channels: ChannelStatistics = field(default_factory=ChannelStatistics)
    problems: list[str] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        return list(dict.fromkeys([*COLUMNS[:-2], *(key for row in self.rows for key in row), *COLUMNS[-2:]]))


def inspect_samples(
    splits: Mapping[Split, SampleSource], tasks: Mapping[str, Task], fingerprints: Fingerprints
) -> Inspection:
    """Reads every sample once; one that cannot be read is a row with a problem."""
    found = Inspection()
    places = [(part, samples, index) for part, samples in splits.items() for index in range(len(samples))]
    files = [next(iter(sample_info(samples, "files", index) or ()), None) for _, samples, index in places]
    digests = fingerprints.digests([path for path in files if path])
    digest_of = dict(zip((path for path in files if path), digests, strict=True))
    pairs = zip(places, files, strict=True)
    for (part, samples, index), path in shown(pairs, "reading samples", len(places)):
        row = {"split": part, "group": sample_info(samples, "group", index), **_of_file(path)}
        try:
            sample = samples[index]
            row |= {"name": sample["name"], "sha256": digest_of[path] if path else _digest(sample["image"])}
            if part == "train":
                found.channels.add(sample["image"])
            row |= _of_sample(sample, tasks)
        except CnnlibError as error:
            row["problem"] = " ".join(str(error).split())
            found.problems.append(f"{part} {row.get('name', path or index)}: {row['problem']}")
        found.rows.append(row)
    return found


def evenly_spread(splits: Mapping[Split, SampleSource], count: int) -> Iterator[tuple[Split, int]]:
    """``count`` samples in all, at least one of each split that has any, spread evenly over each."""
    total = sum(map(len, splits.values()))
    for part, samples in splits.items():
        share = min(len(samples), max(1, round(count * len(samples) / max(1, total))))
        for index in range(share):
            yield part, index * len(samples) // share


def _of_file(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        with open_picture(path) as file:
            return {
                "file": str(path),
                "stored": f"{file.width} x {file.height}",
                "mode": f"{file.format} {file.mode}",
            }
    except Exception:  # of another format, or damaged, which reading the sample reports
        return {"file": str(path)}


def _of_sample(sample: Sample, tasks: Mapping[str, Task]) -> dict[str, Any]:
    height, width = sample["image"].shape[-2:]
    row: dict[str, Any] = {"height": height, "width": width}
    labels = [key for key in tasks if key in sample]
    row["labels"] = " ".join(labels)
    for key in labels:
        try:
            target = tasks[key].check(Target(*sample[key]), (height, width))
            row |= {f"{key}/{what}": value for what, value in tasks[key].describe(target).items()}
        except CnnlibError as error:
            raise CnnlibError(f"{sample['name']}, {key}: {error}") from None
    return row


def _digest(image: Tensor) -> str:
    return hashlib.sha256(to_uint8(image).numpy().tobytes()).hexdigest()
