"""Which epoch's weights are tested: the best of the trained tasks, whatever came after it."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cnnlib.inference import load_run
from tests.tiny_suite import TINY, write_suite
from tools.run_suite import main

FALLING = """
from cnnlib.tasks import MaskTask

class Falling(MaskTask):
    calls = 0

    def score(self, metrics):
        Falling.calls += 1
        return -100.0 * Falling.calls
"""


def run_of(folder: Path, monkeypatch: pytest.MonkeyPatch, mask_weight: float) -> Path:
    """Three epochs of a mask whose score falls with each, and of depth."""
    (folder / "falling.py").write_text(FALLING)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    tasks = {"mask": {"name": "falling.Falling", "weight": mask_weight}, "depth": {}}
    path = write_suite(folder, tasks=tasks, training=TINY["training"] | {"epochs": 3})
    assert main([str(path), "--out", "runs"]) == 0
    return folder / "runs/tiny/tiny/seed-0"


def best_epoch(run: Path) -> int:
    return json.loads((run / "result.json").read_text())["best_epoch"]


def test_the_best_weights_are_tested_and_not_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(tmp_path, monkeypatch, mask_weight=1.0)
    assert best_epoch(run) == 1
    saved = run / "predictions"
    picture, background = (saved / "input" / name / "test-00000.png" for name in ("fg_bg", "bg"))
    depth = load_run(run).predict(picture, bg=background)["depth"][0]
    millimetres = np.asarray(Image.open(saved / "depth/test-00000.png"))
    np.testing.assert_allclose(depth.numpy() * 1000, millimetres, atol=0.6)


def test_tasks_that_are_not_trained_have_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(tmp_path, monkeypatch, mask_weight=0.0)
    with (run / "metrics.csv").open(newline="") as file:
        errors = [float(row["val/depth/mae"]) for row in csv.DictReader(file)]
    assert best_epoch(run) == 1 + int(np.argmin(errors)) > 1
