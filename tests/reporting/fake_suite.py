"""A finished suite's folder, made up in a moment: everything that a report reads, and no training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import Tensor

from cnnlib.files import write_csv, write_json
from cnnlib.predictions import PERSISTERS
from cnnlib.tasks import TASKS
from cnnlib.types import Predicted

QUALITY = {"bce": 0.0, "dice": 0.4, "l1": -0.4}
"""Experiment to how good it is; higher is better in every metric."""


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
    image_names: Sequence[str] = ("bg", "fg_bg"),
) -> Path:
    """A suite of the house's layout in ``folder``; the numbers follow the pictures only loosely.

    ``persister=None`` keeps no predictions, which is quicker.
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
    scenes = [_scene(index, size, len(image_names)) for index in range(images)]
    for experiment, quality in experiments.items():
        for seed in seeds:
            run = folder / experiment / f"seed-{seed}"
            run.mkdir(parents=True)
            config = {"name": folder.name, "seeds": [seed], **sections, "experiments": {experiment: {}}}
            (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
            random = np.random.default_rng([len(experiment), seed, round(100 * quality) % 1000])
            _write_run(run, experiment, seed, quality, tasks, scenes, epochs, random)
            if persister:
                _write_predictions(run, quality, tasks, scenes, persister, image_names, seed)
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


def _write_run(
    run: Path,
    experiment: str,
    seed: int,
    quality: float,
    tasks: Sequence[str],
    scenes: Sequence[dict[str, Tensor]],
    epochs: int,
    random: np.random.Generator,
) -> None:
    luck = 0.01 * random.normal()
    columns: dict[str, np.ndarray] = {}
    ease = 0.04 * np.random.default_rng(7).gamma(1.5, size=len(scenes))
    for task in tasks:
        noise = 0.005 * random.normal(size=len(scenes))
        if task == "mask":
            iou = np.clip(0.96 - ease + 0.02 * quality + luck + noise, 0, 1)
            columns |= {"mask/iou": iou, "mask/dice": 2 * iou / (1 + iou), "mask/precision": iou**0.5}
        else:
            mae = np.clip(0.15 + 2 * ease - 0.06 * quality - luck + noise, 0.01, None)
            columns |= {"depth/mae": mae, "depth/rmse": 1.7 * mae, "depth/abs_rel": 0.25 * mae}
    write_csv(
        run / "per_image.csv",
        ["name", *columns],
        [
            {"name": f"scene-{index:03}"} | {key: float(values[index]) for key, values in columns.items()}
            for index in range(len(scenes))
        ],
    )
    test = {key: float(values.mean()) for key, values in columns.items()}
    history = []
    for epoch in range(1, epochs + 1):
        learned = 1 - np.exp(-epoch / 1.5)
        row = {"epoch": epoch, "seconds": 7.5 * epoch, "images_per_second": 98.0, "learning_rate": 0.01}
        row |= {"train/loss": float(2.0 * np.exp(-epoch / 2) + 0.1 - 0.05 * quality)}
        row |= {"val/loss": float(2.2 * np.exp(-epoch / 2) + 0.15 - 0.05 * quality + 0.03 * random.random())}
        for key, value in test.items():
            row[f"val/{key}"] = (
                value * (learned if "mask" in key else 1 + 8 * (1 - learned)) + 0.004 * random.random()
            )
        history.append(row)
    write_csv(run / "metrics.csv", list(history[0]), history)
    ranked = {"mask": ("mask/iou", True), "depth": ("depth/mae", False)}
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
            "mean_image": {key: 0.1 if key.startswith("mask") else 1.4 for key in test},
            "ranked_by": [{"metric": ranked[task][0], "higher_is_better": ranked[task][1]} for task in tasks],
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


def _write_predictions(
    run: Path,
    quality: float,
    task_names: Sequence[str],
    scenes: Sequence[dict[str, Tensor]],
    persister: str,
    image_names: Sequence[str],
    seed: int,
) -> None:
    tasks = {name: TASKS[name]() for name in task_names}
    sink = PERSISTERS[persister](run / "predictions", tasks, image_names)
    for index, scene in enumerate(scenes):
        generator = torch.Generator().manual_seed(1000 * seed + index)
        blur = torch.randn(scene["mask"].shape, generator=generator)
        predictions = {
            "mask": torch.sigmoid(6 * (scene["mask"] - 0.5) + (1.6 - 2 * quality) * blur),
            "depth": (scene["depth"] + (0.3 - 0.4 * quality) * blur).clamp(0.1, 10),
        }
        kept = {name: predictions[name] for name in tasks}
        sink.write(
            Predicted(f"scene-{index:03}", scene["image"], kept, {name: scene[name] for name in tasks})
        )
    sink.close()


def _scene(index: int, size: int, pictures: int) -> dict[str, Tensor]:
    """A disc over a shaded floor, the same for the same index."""
    generator = torch.Generator().manual_seed(index)
    x0, y0, radius, *color = torch.rand(6, generator=generator).tolist()
    axis = torch.linspace(0, 1, size)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    mask = ((x - 0.25 - 0.5 * x0) ** 2 + (y - 0.25 - 0.5 * y0) ** 2 < (0.12 + 0.2 * radius) ** 2).float()[
        None
    ]
    floor = torch.stack([0.35 + 0.5 * y, 0.4 + 0.3 * x, 0.8 - 0.5 * y])
    shaded = torch.tensor(color)[:, None, None] * (0.6 + 0.4 * x)
    image = torch.where(mask.bool(), shaded, floor)
    depth = torch.where(mask.bool(), 2.0 + 2 * torch.ones_like(mask) * y0, (8 - 5 * y)[None])
    return {"image": torch.cat([floor] * (pictures - 1) + [image]), "mask": mask, "depth": depth}
