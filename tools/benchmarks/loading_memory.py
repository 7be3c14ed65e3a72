"""The memory that an epoch over shards takes, from its first batch to its last."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from cnnlib.augmentations import Flip, Pipeline
from cnnlib.config.command_line import positive
from cnnlib.datasets import Shards
from cnnlib.datasets.loading import training_loader
from cnnlib.datasets.shards.writer import write_shards
from cnnlib.tasks import MaskTask
from cnnlib.types import CnnlibError, Sample, Split, Target, TargetInfo

_BATCH_SIZE = 32
_POINTS = 200
"""How often memory is read."""
_WARM_UP = 0.1
"""Of the epoch; until then, what is needed once is allocated."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_memory)
    parser.add_argument("--samples", type=positive, default=20_000, help="in the epoch (20000)")
    parser.add_argument("--size", type=positive, default=32, help="image side (32)")
    parser.add_argument("--workers", type=int, choices=range(9), default=1, help="that load (1)")
    parser.add_argument("--out", type=Path, default=Path("memory.png"), help="the plot (memory.png)")


def _memory(options: argparse.Namespace) -> None:
    if not Path("/proc/self/statm").exists():
        raise CnnlibError("memory is read from /proc, which only Linux has")
    with tempfile.TemporaryDirectory() as folder:
        source = Generated(options.size, options.samples)
        write_shards(source, Path(folder), {})
        shards = len(list(Path(folder).glob("train-*.tar")))
        stored = sum(path.stat().st_size for path in Path(folder).iterdir()) / 1e6
        seen, megabytes, seconds = epoch(Shards(folder), options.workers)
    plot(seen, megabytes, options.out)
    settled = megabytes[seen >= _WARM_UP * seen[-1]]
    print(
        f"{seen[-1]} samples in {shards} shards of {stored:.0f} MB, {options.workers} workers, "
        f"{seen[-1] / seconds:.0f} samples/s; resident memory of the main process: {megabytes[0, 0]:.0f} MB at first"
    )
    names = ["main process", *(f"worker {number}" for number in range(1, settled.shape[1]))]
    for name, column in zip(names, settled.T, strict=True):
        print(
            f"{name}: {column[0]:.1f} MB after a tenth of the epoch, {column[-1]:.1f} MB at its end, "
            f"at most {column.max():.1f} MB"
        )


@dataclass
class Generated:
    """Pictures of a coloured disc on noise, made as they are asked for, with its mask."""

    size: int
    train: int

    inputs: ClassVar[dict[str, int]] = {"image": 3}
    targets: ClassVar[dict[str, TargetInfo]] = {"mask": TargetInfo("mask")}

    def split(self, part: Split) -> GeneratedSplit:
        return GeneratedSplit(part, self.size, self.train if part == "train" else 1)


@dataclass
class GeneratedSplit:
    part: Split
    size: int
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        rng = np.random.default_rng([("train", "val", "test").index(self.part), index])
        levels = rng.integers(0, 256, (3, self.size, self.size), dtype=np.uint8)
        y, x = np.mgrid[: self.size, : self.size] / self.size
        mask = np.hypot(y - rng.uniform(0.3, 0.7), x - rng.uniform(0.3, 0.7)) < 0.2
        levels[:, mask] = rng.integers(0, 256, (3, 1))
        image = torch.from_numpy(levels).float() / 255
        return {
            "image": image,
            "mask": Target(torch.from_numpy(mask).float()[None]),
            "name": f"{self.part}-{index}",
        }


def epoch(data: Shards, workers: int) -> tuple[np.ndarray, np.ndarray, float]:
    """How many samples were seen (N,), the resident MB of this process and of each worker then (N, 1 + workers), and
    the epoch's seconds.
    """
    pipeline = Pipeline([Flip()], {"mask": MaskTask(data.targets["mask"])})
    loader = training_loader(data.split("train"), pipeline, _BATCH_SIZE, workers, seed=0)
    every = max(1, len(loader) // _POINTS)
    rows = []
    began = time.perf_counter()
    for number, _ in enumerate(loader):
        if number % every == 0 or number == len(loader) - 1:
            processes = [os.getpid(), *sorted(each.pid for each in multiprocessing.active_children())]
            rows.append(((number + 1) * _BATCH_SIZE, *map(resident, processes)))
    seconds = time.perf_counter() - began
    table = np.array(rows)
    return table[:, 0].astype(int), table[:, 1:], seconds


def resident(pid: int) -> float:
    """A process's resident memory in MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def plot(seen: np.ndarray, megabytes: np.ndarray, out: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots()
    for number, column in enumerate(megabytes.T):
        axes.plot(seen, column, label=f"worker {number}" if number else "main process")
    axes.set_ylim(0, 1.2 * megabytes.max())
    axes.set_xlabel("samples seen")
    axes.set_ylabel("resident memory in MB")
    axes.legend(loc="lower right")
    figure.savefig(out, dpi=150)
