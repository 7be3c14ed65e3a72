"""Makes experiments of a fake suite train one task alone."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path

import yaml


def train_alone(folder: Path, experiments: Mapping[str, str]) -> None:
    """``experiments``: name to its only task, in the suite's ``folder``."""
    for name, task in experiments.items():
        for run in (folder / name).iterdir():
            config = yaml.safe_load((run / "config.yaml").read_text())
            config["tasks"] = {task: config["tasks"][task]}
            (run / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
            result = json.loads((run / "result.json").read_text())
            result["test"] = {key: value for key, value in result["test"].items() if key.startswith(task)}
            result["ranked_by"] = [each for each in result["ranked_by"] if each["metric"].startswith(task)]
            (run / "result.json").write_text(json.dumps(result))
            rows = list(csv.DictReader((run / "per_image.csv").read_text().splitlines()))
            columns = [key for key in rows[0] if key == "name" or key.startswith(task)]
            with (run / "per_image.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, columns, extrasaction="ignore")
                writer.writeheader()
                writer.writerows(rows)
