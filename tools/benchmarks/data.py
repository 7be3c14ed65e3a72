"""Composites and decoded samples against reading the same samples from files, in turns."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image

from cnnlib.augmentations import Pipeline
from cnnlib.config.command_line import positive
from cnnlib.datasets import FgBg, Scenes
from cnnlib.datasets.composites import Composites
from cnnlib.datasets.composites.write import write_composites
from cnnlib.datasets.decoded import Decoded
from cnnlib.datasets.loading import evaluation_loader
from cnnlib.tasks.saved import build_tasks
from cnnlib.types import SampleSource
from tools.benchmarks.timing import machine

_PICTURES = 24
_BATCH = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_data)
    parser.add_argument("--foregrounds", type=Path, help="pictures with transparency (cut out of scenes)")
    parser.add_argument("--backgrounds", type=Path, help="photographs (scenes without their objects)")
    parser.add_argument("--size", type=positive, default=224, help="image side (224)")
    parser.add_argument("--samples", type=positive, default=256, help="that are read in each turn (256)")
    parser.add_argument("--turns", type=positive, default=5, help="of each way; the median counts (5)")


def _data(options: argparse.Namespace) -> None:
    torch.set_num_threads(1)  # as in a loading process
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        given = {"foregrounds": options.foregrounds, "backgrounds": options.backgrounds}
        if None in given.values():
            given = _pictures_of_scenes(root / "pictures", options.size)
        made = {key: str(place) for key, place in given.items()} | {
            "cache_dir": str(root / "cache"),
            "apart": [],
        }
        source = Composites(**made, size=options.size)
        indices = np.random.default_rng(0).permutation(len(source))[: options.samples].tolist()
        print(f"{len(indices)} samples of {options.size} x {options.size}, one process, {machine()}")
        print("files: background and composite as JPEG, mask as PNG; each way reads them in turns")
        files = _as_files(made | {"size": options.size}, indices, root / "files", options.size)
        ways = {
            "files": lambda: _read(files),
            "composed": lambda: _compose(source, indices),
        }
        seconds = _in_turns(ways, options.turns)
        _tell(seconds, len(indices), "ms a sample, without collating")
        print(f"composite ratio {seconds['files'] / seconds['composed']:.2f}")
        for side in (options.size, 2 * options.size):
            files = _as_files(made | {"size": side}, indices, root / f"files-{side}", options.size)
            count, seconds = _loaders(files, root, root / f"files-{side}", options)
            _tell(seconds, count, f"ms a sample, in batches of {_BATCH}, of files of {side} x {side}")
            print(f"cache ratio {seconds['files'] / seconds['decoded']:.2f}")


def _as_files(made: dict[str, Any], indices: Sequence[int], folder: Path, size: int) -> FgBg:
    """The composites as files, read at ``size``."""
    for _ in write_composites(made, indices, folder):
        pass
    return FgBg(str(folder), depth_folder=None, background_file="samples.csv", size=size)


def _loaders(
    files: FgBg, root: Path, folder: Path, options: argparse.Namespace
) -> tuple[int, dict[str, float]]:
    """The number of samples, and the seconds of each way."""
    tasks = build_tasks({name: {"name": info.kind} for name, info in files.targets.items()}, files.targets)
    decoded = Decoded(
        files,
        "fg_bg",
        {"root": str(folder), "size": options.size},
        100.0,
        cache_dir=str(root / "cache"),
    )

    def batches(split: SampleSource) -> int:
        loader = evaluation_loader(split, Pipeline([], tasks), _BATCH, 0)
        return sum(len(batch["image"]) for batch in loader)

    ways = {"files": files.split("train"), "decoded": decoded.split("train")}
    calls = {name: partial(batches, split) for name, split in ways.items()}
    return len(ways["files"]), _in_turns(calls, options.turns)


def _in_turns(ways: Mapping[str, Callable[[], Any]], turns: int) -> dict[str, float]:
    """Median seconds of each; the first turn, which warms up, does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(turns + 1):
        for name, call in ways.items():
            began = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - began)
    return {name: median(own[1:]) for name, own in seconds.items()}


def _tell(seconds: Mapping[str, float], samples: int, what: str) -> None:
    print(f"{', '.join(f'{name} {1000 * own / samples:.2f}' for name, own in seconds.items())} {what}")


def _compose(source: Composites, indices: Sequence[int]) -> None:
    for index in indices:
        source.sample(index)


def _read(files: FgBg) -> None:
    for part in ("train", "val", "test"):
        split = files.split(part)
        for index in range(len(split)):
            split[index]


def _pictures_of_scenes(root: Path, size: int) -> dict[str, Path]:
    """Objects cut out of scenes, and their backgrounds, as files."""
    split = Scenes(size=size, train=_PICTURES, val=0, test=0, objects=1).split("train")
    folders = {"foregrounds": root / "fg", "backgrounds": root / "bg"}
    for folder in folders.values():
        folder.mkdir(parents=True)
    for index in range(len(split)):
        sample = split[index]
        behind, shown = (
            (255 * part.permute(1, 2, 0).numpy()).round().astype(np.uint8)
            for part in sample["image"].split(3)
        )
        alpha = (255 * sample["mask"].value[0].numpy()).astype(np.uint8)
        Image.fromarray(np.dstack([shown, alpha])).save(folders["foregrounds"] / f"{sample['name']}.png")
        Image.fromarray(behind).save(folders["backgrounds"] / f"{sample['name']}.jpg", quality=95)
    return folders
