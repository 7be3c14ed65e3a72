"""The channel statistics (mean and std) that ``dataset.normalize: auto`` standardizes images by."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from cnnlib.assembly.data import ExperimentData
from cnnlib.config import ExperimentConfig
from cnnlib.datasets import DATASETS
from cnnlib.datasets.cache import STATISTICS, cache_root
from cnnlib.datasets.file_states import files_digest, samples_digest
from cnnlib.datasets.statistics import channel_statistics
from cnnlib.files import read_json, write_atomically
from cnnlib.types import CnnlibError, SampleSource

VERSION = 2
"""Counted up whenever what is stored changes, or what images data sets give."""


class MeanAndStd(NamedTuple):
    """Of each channel of the training split's images, over all of their pixels."""

    mean: list[float]
    std: list[float]


def training_statistics(config: ExperimentConfig, data: ExperimentData, seed: int) -> MeanAndStd | None:
    """Those of the training split alone, as the data set gives its images; ``None`` unless they are asked for.

    Those of data sets of files are kept in the user's cache, by the files' names, sizes and times: the runs of a suite
    read the files once.

    Args:
        seed: as of ``open_data``, whose fold the training split is of.
    """
    dataset = config.dataset
    if dataset.normalize is None:
        return None
    files = samples_digest([data.all_train])
    # The files of the options too: a table may say which part of a picture is shown.
    of_options = files_digest(dataset.options)
    if files is None and (of_options is None or dataset.name not in DATASETS):
        return _measured(data.all_train)
    made_from = [VERSION, dataset.name, dataset.options, of_options, files]
    made_from += [dataset.folds, dataset.fold_of(seed), len(data.all_train), data.skipped]
    key = hashlib.sha256(json.dumps(made_from, default=str, sort_keys=True).encode()).hexdigest()
    path = cache_root() / STATISTICS / f"{key}.json"
    if (kept := _kept(path)) is not None:
        return kept
    statistics = _measured(data.all_train)
    _keep(path, statistics)
    return statistics


def _measured(samples: SampleSource) -> MeanAndStd:
    statistics = channel_statistics(_images(samples))
    return MeanAndStd(statistics.mean, statistics.std)


def _images(samples: SampleSource) -> Iterator[Tensor]:
    return (samples[index]["image"] for index in range(len(samples)))


def _kept(path: Path) -> MeanAndStd | None:
    """``None`` where they are missing, or damaged."""
    try:
        stored = read_json(path)
        statistics = MeanAndStd(stored["mean"], stored["std"])
        return statistics if stored["checksum"] == _checksum(statistics) else None
    except (CnnlibError, OSError, KeyError, TypeError):
        return None


def _checksum(statistics: MeanAndStd) -> str:
    return hashlib.sha256(json.dumps(statistics).encode()).hexdigest()


def _keep(path: Path, statistics: MeanAndStd) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps({**statistics._asdict(), "checksum": _checksum(statistics)}))
    except OSError:  # they are measured again next time
        return
