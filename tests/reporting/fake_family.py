"""A suite whose experiments start from each other: eleven versions of a detector, as one story, or any other family."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from cnnlib.files import write_csv, write_json
from cnnlib.reporting.run_files import read_columns
from tests.reporting.fake_suite import write_suite


@dataclass(frozen=True)
class Version:
    """An experiment: its score, what it starts from, and its configuration's sections beside the suite's."""

    iou: float
    start: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)
    optimizer: bool = False


def _config(head: str, stages: int, box: float, rate: float, pad: bool) -> dict[str, Any]:
    resize = {"name": "resize", "longest_side": True} if pad else {"name": "resize"}
    return {
        "augmentations": [resize, {"name": "flip", "horizontal": 0.5}],
        "model": {"name": "detector", "encoder": "efficientnet_b0", "head": head},
        "tasks": {"mask": {"name": "mask", "loss": [{"name": "smooth_l1", "weight": 1.0}], "weight": box}},
        "optimizer": {"name": "adam", "learning_rate": rate},
        "freeze": {"trained_stages": stages, "unfreeze": []},
    }


VERSIONS = {
    "v1": Version(0.427, None, _config("heavy", 0, 75, 1e-3, False)),
    "v2": Version(0.425, "v1", _config("heavy", 2, 100, 1e-4, False)),
    "v3": Version(0.395, None, _config("light", 0, 75, 1e-3, False)),
    "v4": Version(0.401, "v3", _config("light", 2, 100, 1e-4, False)),
    "v5": Version(0.714, None, _config("light", 2, 1000, 1e-2, True)),
    "v6": Version(0.811, "v5", _config("light", 3, 1000, 1e-2, True)),
    "v7": Version(0.796, "v6", _config("light", 4, 1000, 1e-2, True)),
    "v8": Version(0.838, "v6", _config("light", 4, 1000, 1e-4, True)),
    "v9": Version(0.847, "v8", _config("light", 4, 1000, 1e-3, True), optimizer=True),
    "v10": Version(0.850, "v9", _config("light", 5, 1000, 1e-4, True)),
    "v11": Version(0.847, "v10", _config("light", 5, 1000, 1e-2, False), optimizer=True),
}
"""The detector's journal."""


def write_family(
    folder: Path,
    versions: Mapping[str, Version] = VERSIONS,
    *,
    seeds: Sequence[int] = (0, 1, 2),
    tasks: Sequence[str] = ("mask",),
    images: int = 24,
    **options: Any,
) -> Path:
    """The suite's folder. A version may start from ``<folder of another suite>/<experiment>``.

    The means of mask/iou over the seeds are those of the versions.
    """
    qualities = {name: (version.iou - 0.92) / 0.02 for name, version in versions.items()}
    write_suite(folder, experiments=qualities, seeds=seeds, tasks=tasks, images=images, epochs=3, **options)
    for name, version in versions.items():
        runs = [folder / name / f"seed-{seed}" for seed in seeds]
        _shift(runs, version.iou)
        for run in runs:
            _write_start(run, version)
    return folder


def _shift(runs: Sequence[Path], iou: float) -> None:
    """Moves the scores of all images alike, so that the runs' mean becomes ``iou``."""
    results = [json.loads((run / "result.json").read_text()) for run in runs]
    by = iou - fmean(result["test"]["mask/iou"] for result in results)
    for run, result in zip(runs, results, strict=True):
        result["test"]["mask/iou"] += by
        write_json(run / "result.json", result)
        columns = read_columns(run / "per_image.csv", text=("name",))
        columns["mask/iou"] = [value + by for value in columns["mask/iou"]]
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        write_csv(run / "per_image.csv", list(columns), rows)


def _write_start(run: Path, version: Version) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump(config | version.config, sort_keys=False))
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "best.ckpt").write_bytes(str(run).encode())
    if version.start:
        record_start(run, version.start, optimizer=version.optimizer)


def record_start(run: Path, start: str, **changes: Any) -> None:
    """Notes in the run's ``result.json`` that it started from the run of its own seed of the experiment ``start``."""
    parent = run.parent.parent / start / run.name
    inside = "/" not in start
    record = {
        "folder": f"../../{start}/{run.name}" if inside else str(parent.resolve()),
        "experiment": Path(start).name,
        "seed": int(run.name.removeprefix("seed-")),
        "sha256": hashlib.sha256((parent / "checkpoints" / "best.ckpt").read_bytes()).hexdigest(),
        "weights": True,
        "optimizer": False,
        "heads": True,
    }
    result = json.loads((run / "result.json").read_text())
    write_json(run / "result.json", result | {"start_from": record | changes})
