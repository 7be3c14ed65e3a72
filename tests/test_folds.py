"""A suite over folds, from the command line to its report."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.tiny_suite import TINY, write_suite
from tools.run_suite import main


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_suite_over_folds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_suite(
        tmp_path,
        seeds=[0, 1, 2],
        dataset=TINY["dataset"] | {"folds": 3},
        training=TINY["training"] | {"epochs": 1},
        experiments={"bce": {}, "l1": {"tasks.mask.loss": "l1"}},
    )
    assert main([str(path), "--out", str(tmp_path / "runs")]) == 0
    suite = tmp_path / "runs" / "tiny"
    tested: list[str] = []
    for seed in range(3):
        runs = [suite / experiment / f"seed-{seed}" for experiment in ("bce", "l1")]
        images = [[row["name"] for row in rows_of(run / "per_image.csv")] for run in runs]
        assert images[0] == images[1]
        tested += images[0]
        constants = [json.loads((run / "result.json").read_text())["constant"] for run in runs]
        assert constants[0] == constants[1]
    assert len(tested) == len(set(tested)) == 25  # every scene of the three splits, once
    assert "± standard deviation over 3 folds" in capsys.readouterr().out
    assert "3-fold cross-validation" in (suite / "report.html").read_text()
    rows = rows_of(suite / "summary.csv")
    assert {row["verdict"] for row in rows if row["metric"] == "depth/mae"} >= {"baseline"}
    assert not any("not compared" in row["verdict"] for row in rows)


def test_a_run_over_folds_repeats_its_fold(tmp_path: Path) -> None:
    path = write_suite(
        tmp_path, seeds=[2], dataset=TINY["dataset"] | {"folds": 3}, training=TINY["training"] | {"epochs": 1}
    )
    assert main([str(path), "--out", str(tmp_path / "a")]) == 0
    run = tmp_path / "a" / "tiny" / "tiny" / "seed-2"
    assert main([str(run / "config.yaml"), "--out", str(tmp_path / "b")]) == 0
    first, second = (
        folder / "tiny" / "tiny" / "seed-2" / "per_image.csv" for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert first.read_text() == second.read_text()
