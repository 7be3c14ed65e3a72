"""A finished suite's folder, made up in a moment: everything that a report reads, and no training."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from cnnlib.files import write_csv, write_json
from cnnlib.predictions import PERSISTERS
from cnnlib.tasks import Task
from cnnlib.tasks.class_counts import counts_to_json
from cnnlib.tasks.saved import DataDescription, build_tasks, write_data
from cnnlib.types import Predicted, Sample, SplitMetric, Target, TargetInfo

QUALITY = {"bce": 0.0, "dice": 0.4, "l1": -0.4}
"""Experiment to how good it is; higher is better in every metric."""

TARGETS = {
    "mask": TargetInfo("mask"),
    "depth": TargetInfo("depth", unit="m"),
    "normals": TargetInfo("normals"),
    "semantic": TargetInfo("semantic", names=("floor", "wall", "ball")),
    "points": TargetInfo("points", names=("middle", "left", "right"), flip_order=(0, 2, 1)),
    "box": TargetInfo("box"),
    "label": TargetInfo("label", names=("small", "medium", "large")),
}


def write_suite(
    folder: Path,
    *,
    experiments: dict[str, float] = QUALITY,
    seeds: Sequence[int] = (0, 1, 2),
    tasks: Sequence[str] = ("mask", "depth"),
    images: int = 24,
    epochs: int = 8,
    size: int = 32,
    persister: str | None = None,
    inputs: Mapping[str, int] = {"bg": 3, "fg_bg": 3},
    unlabelled: Mapping[str, Sequence[int]] = {},
) -> Path:
    """A suite of the house's layout in ``folder``.

    The metrics of mask and depth follow the pictures only loosely, those of other tasks are measured.

    Args:
        persister: ``None`` keeps no predictions, which is quicker.
        unlabelled: task to the indices of the images that lack its label.
    """
    folder.mkdir(parents=True)
    sections = {
        "dataset": {"name": "scenes", "size": size, "train": 80, "val": 10, "test": images},
        "model": {"name": "resunet"},
        "tasks": {
            task: {"name": task, "loss": [{"name": "l1", "weight": 1.0}], "weight": 1.0} for task in tasks
        },
    }
    if "depth" in tasks:
        sections["tasks"]["depth"] |= {"min_depth": 0.1, "max_depth": 10.0, "file_scale": 1000.0}
    suite = {"name": folder.name, "seeds": list(seeds), **sections}
    suite |= {"experiments": {name: {} for name in experiments}, "baseline": next(iter(experiments))}
    (folder / "suite.yaml").write_text(yaml.safe_dump(suite, sort_keys=False))
    built = build_tasks({task: {"name": task} for task in tasks}, TARGETS)
    whole = [scene(index, size, len(inputs)) for index in range(images)]
    scenes = [
        {key: value for key, value in one.items() if index not in unlabelled.get(key, ())}
        for index, one in enumerate(whole)
    ]
    for experiment, quality in experiments.items():
        for seed in seeds:
            run = folder / experiment / f"seed-{seed}"
            run.mkdir(parents=True)
            config = {"name": folder.name, "seeds": [seed], **sections, "experiments": {experiment: {}}}
            (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
            write_data(DataDescription(dict(inputs), {task: TARGETS[task] for task in tasks}, size), run)
            random = np.random.default_rng([len(experiment), seed, round(100 * quality) % 1000])
            measured = {name: task for name, task in built.items() if name not in ("mask", "depth")}
            predictions = (
                [_predict(built, one, quality, 1000 * seed + index) for index, one in enumerate(whole)]
                if persister or measured
                else []
            )
            columns = _made_up(tasks, scenes, quality, random)
            metrics = {
                name: _measured(name, task, scenes, predictions, size) for name, task in measured.items()
            }
            for name, metric in metrics.items():
                columns |= {f"{name}/{key}": values.numpy() for key, values in metric.per_image().items()}
            _write_run(run, experiment, seed, quality, built, columns, epochs, random, metrics)
            if persister:
                sink = PERSISTERS[persister](run / "predictions", built, inputs)
                for one, predicted in zip(scenes, predictions, strict=True):
                    targets = {name: one[name] for name in tasks if name in one}
                    sink.write(Predicted(one["name"], one["image"], predicted, targets))
                sink.close()
    return folder


def fail(folder: Path, experiment: str, seed: int, error: str) -> None:
    """Makes one run of a suite a failed one."""
    result = {
        "suite": folder.name,
        "experiment": experiment,
        "seed": seed,
        "status": "failed",
        "error": error,
    }
    write_json(folder / experiment / f"seed-{seed}" / "result.json", result)


def add_history(folder: Path, experiment: str, seed: int, columns: Mapping[str, Sequence[float]]) -> None:
    """Adds columns to one run's ``metrics.csv``, a value per epoch."""
    path = folder / experiment / f"seed-{seed}" / "metrics.csv"
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for column, values in columns.items():
        for row, value in zip(rows, values, strict=True):
            row[column] = float(value)
    write_csv(path, list(rows[0]), rows)


def _made_up(
    tasks: Sequence[str], scenes: Sequence[Sample], quality: float, random: np.random.Generator
) -> dict[str, np.ndarray]:
    """Metrics of mask and depth of each image."""
    luck = 0.01 * random.normal()
    columns: dict[str, np.ndarray] = {}
    ease = 0.04 * np.random.default_rng(7).gamma(1.5, size=len(scenes))
    for task in tasks:
        noise = 0.005 * random.normal(size=len(scenes))
        noise[[task not in one for one in scenes]] = np.nan
        if task == "mask":
            iou = np.clip(0.96 - ease + 0.02 * quality + luck + noise, 0, 1)
            columns |= {"mask/iou": iou, "mask/dice": 2 * iou / (1 + iou), "mask/precision": iou**0.5}
        elif task == "depth":
            mae = np.clip(0.15 + 2 * ease - 0.06 * quality - luck + noise, 0.01, None)
            columns |= {"depth/mae": mae, "depth/rmse": 1.7 * mae, "depth/abs_rel": 0.25 * mae}
    return columns


def _measured(
    name: str, task: Task, scenes: Sequence[Sample], predictions: Sequence[Mapping[str, Tensor]], size: int
) -> SplitMetric:
    metric = task.metric()
    for one, predicted in zip(scenes, predictions, strict=True):
        value, valid = one.get(name, task.missing((size, size)))
        metric.update(predicted[name][None], value[None], valid[None], (size, size))
    return metric


def _write_run(
    run: Path,
    experiment: str,
    seed: int,
    quality: float,
    tasks: Mapping[str, Task],
    columns: Mapping[str, np.ndarray],
    epochs: int,
    random: np.random.Generator,
    metrics: Mapping[str, SplitMetric],
) -> None:
    images = len(next(iter(columns.values())))
    write_csv(
        run / "per_image.csv",
        ["name", *columns],
        [
            {"name": f"scene-{index:03}"} | {key: float(values[index]) for key, values in columns.items()}
            for index in range(images)
        ],
    )
    test = {key: float(np.nanmean(values)) for key, values in columns.items()}
    counts = {name: tasks[name].class_counts(metric) for name, metric in metrics.items()}
    for name, counted in counts.items():
        test |= {f"{name}/ece": counted.calibration_error} if counted and counted.bins else {}
    history = []
    for epoch in range(1, epochs + 1):
        learned = 1 - np.exp(-epoch / 1.5)
        row = {"epoch": epoch, "seconds": 7.5 * epoch, "images_per_second": 98.0, "learning_rate": 0.01}
        row |= {"train/loss": float(2.0 * np.exp(-epoch / 2) + 0.1 - 0.05 * quality)}
        row |= {"val/loss": float(2.2 * np.exp(-epoch / 2) + 0.15 - 0.05 * quality + 0.03 * random.random())}
        for key, value in test.items():
            higher = tasks[key.partition("/")[0]].higher_is_better
            row[f"val/{key}"] = (
                value * (learned if higher else 1 + 8 * (1 - learned)) + 0.004 * random.random()
            )
        history.append(row)
    write_csv(run / "metrics.csv", list(history[0]), history)
    write_json(
        run / "result.json",
        {
            "suite": run.parent.parent.name,
            "experiment": experiment,
            "seed": seed,
            "status": "finished",
            "epochs": epochs,
            "best_epoch": epochs - seed % 2,
            "seconds": 60.0 + 5 * random.random(),
            "images_per_second": 97.0 + random.random(),
            "peak_memory_mib": 1234.5,
            "parameters": 11_033_922,
            "test": test | {"loss": 0.1},
            "by_class": counts_to_json({name: counted for name, counted in counts.items() if counted}),
            "constant": {key: 0.1 if tasks[key.partition("/")[0]].higher_is_better else 1.4 for key in test},
            "ranked_by": [
                {"metric": f"{name}/{task.main_metric}", "higher_is_better": task.higher_is_better}
                for name, task in tasks.items()
            ],
        },
    )
    write_json(
        run / "environment.json",
        {
            "cnnlib": "0.1.0",
            "python": "3.11.2",
            "packages": {"torch": "2.9.0"},
            "device": "cpu",
            "threads": 2,
        },
    )


def _predict(tasks: Mapping[str, Task], whole: Sample, quality: float, seed: int) -> dict[str, Tensor]:
    """The truth, spoiled."""
    generator = torch.Generator().manual_seed(seed)
    worse = 1 - quality

    def noise(value: Tensor) -> Tensor:
        return worse * torch.randn(value.shape, generator=generator)

    spoiled = {
        "mask": lambda right: torch.sigmoid(6 * (right - 0.5) + 1.6 * noise(right)),
        "depth": lambda right: (right + 0.3 * noise(right)).clamp(0.1, 10),
        "normals": lambda right: torch.nn.functional.normalize(right + 0.2 * noise(right), dim=0),
        "semantic": lambda right: (3 * right + noise(right)).softmax(0),
        "points": lambda right: right + torch.tensor([1.0, 1.0, 0.1]) * noise(right),
        "box": lambda right: right + noise(right),
        "label": lambda right: (3 * right + 2 * noise(right)).softmax(0),
    }
    return {name: spoiled[task.kind](task.as_prediction(whole[name].value)) for name, task in tasks.items()}


def scene(index: int, size: int, pictures: int = 2) -> Sample:
    """A ball over a shaded floor, the same for the same index."""
    generator = torch.Generator().manual_seed(index)
    x0, y0, radius, *color = torch.rand(6, generator=generator).tolist()
    x0, y0, radius = 0.25 + 0.5 * x0, 0.25 + 0.5 * y0, 0.12 + 0.2 * radius
    axis = torch.linspace(0, 1, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    away = torch.stack([x - x0, y - y0]) / radius
    mask = (away.square().sum(0, keepdim=True) < 1).float()
    floor = torch.stack([0.35 + 0.5 * y, 0.4 + 0.3 * x, 0.8 - 0.5 * y])
    shaded = torch.tensor(color)[:, None, None] * (0.6 + 0.4 * x)
    image = torch.where(mask.bool(), shaded, floor)
    depth = torch.where(mask.bool(), 2.0 + 4 * torch.ones_like(mask) * (y0 - 0.25), (8 - 5 * y)[None])
    toward = -(1 - away.square().sum(0, keepdim=True)).clamp(min=0).sqrt()
    up = torch.tensor([0.0, -0.8, -0.6])[:, None, None].expand(3, size, size)
    last = size - 1
    values = {
        "mask": mask,
        "depth": depth,
        "normals": torch.where(mask.bool(), torch.cat([away, toward]), up),
        "semantic": torch.where(mask.bool(), 2, (y < 0.4)[None].long()),
        "points": torch.tensor([[x0, y0], [x0 - radius, y0], [x0 + radius, y0]]) * last,
        "box": torch.tensor([x0 - radius, y0 - radius, x0 + radius, y0 + radius]) * last,
        "label": torch.tensor(min(int((radius - 0.12) / 0.0667), 2)),
    }
    targets = {name: Target(value, _everywhere(name, value)) for name, value in values.items()}
    picture = torch.cat([floor] * (pictures - 1) + [image])
    return {"name": f"scene-{index:03}", "image": picture, **targets}


def _everywhere(name: str, value: Tensor) -> Tensor:
    shapes = {"points": value.shape[:1], "box": (), "label": ()}
    return torch.ones(shapes.get(name, (1, *value.shape[1:])), dtype=torch.bool)
