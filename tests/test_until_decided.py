"""Suites that add seeds until all is decided."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cnnlib.reporting.comparison import Verdict, compare_suite
from cnnlib.reporting.results import read_suite
from tests.tiny_suite import TINY, session_of, write_suite
from tools.run_suite import main

UNTIL = ["--until", "decided", "--jobs", "2"]


def tiny_pair(folder: Path, margin: float, **changes: Any) -> Path:
    experiments = {"l1": {}, "slower": {"optimizer.learning_rate": 0.009}}
    training = TINY["training"] | {"epochs": 1}
    small = {"tasks": {"depth": {"loss": "l1"}}, "training": training}
    return write_suite(
        folder, seeds=[0, 1], experiments=experiments, margins={"depth": margin}, **{**small, **changes}
    )


def test_what_is_decided_at_the_first_look_is_not_trained_on(tmp_path: Path) -> None:
    path = tiny_pair(tmp_path, margin=0.99)
    assert main([str(path), "--out", str(tmp_path / "runs"), *UNTIL, "--max-seeds", "4"]) == 0
    folder = tmp_path / "runs" / "tiny"
    assert sorted(run.name for run in folder.glob("*/seed-*")) == ["seed-0", "seed-0", "seed-1", "seed-1"]
    suite = read_suite(folder)
    assert suite.looks == range(2, 5)
    assert not suite.unfinished
    assert not suite.missing
    assert compare_suite(suite)["depth/mae"].experiments["slower"].verdict is Verdict.EQUAL
    assert "one after each seed from 2 on" in (folder / "report.html").read_text()


def test_killed_in_the_middle_it_goes_on_to_the_same_end(tmp_path: Path, project: Path) -> None:
    """With a margin that nothing can be shown to keep, it ends at the most seeds."""
    path = tiny_pair(tmp_path, margin=1e-9)
    arguments = [str(path), *UNTIL, "--max-seeds", "3"]
    killed = tmp_path / "killed" / "tiny"
    process = subprocess.Popen(
        [sys.executable, "tools/run_suite.py", *arguments, "--out", str(killed.parent)],
        cwd=project,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not list(killed.glob("*/seed-2/config.yaml")) and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    while session_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    before = {path: path.stat().st_mtime_ns for path in killed.glob("*/*/result.json")}
    assert len(before) >= 4

    for out in ("killed", "whole"):
        assert main([*arguments, "--out", str(tmp_path / out)]) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    one, other = ((tmp_path / out / "tiny" / "summary.csv").read_text() for out in ("killed", "whole"))
    assert one == other
    suite = read_suite(killed)
    assert len(suite.runs) == 6
    found = compare_suite(suite)["depth/mae"].experiments["slower"]
    assert found.verdict is Verdict.UNDECIDED
    assert found.difference.seeds == 3


def test_a_run_that_fails_does_not_hold_up_the_rest(tmp_path: Path) -> None:
    path = tiny_pair(tmp_path, margin=1e-9)
    broken = {"optimizer": {"name": "sgd", "learning_rate": 1e30}, "training.epochs": 2}
    experiments = json.dumps({"l1": {}, "slower": {"optimizer.learning_rate": 0.009}, "broken": broken})
    arguments = [str(path), "--out", str(tmp_path / "runs"), *UNTIL, "--max-seeds", "3"]
    assert main([*arguments, "--set", f"experiments={experiments}"]) == 1
    suite = read_suite(tmp_path / "runs" / "tiny")
    assert {name: len(runs) for name, runs in suite.finished.items()} == {"l1": 3, "slower": 3}
    assert [(run.experiment, run.seed) for run in suite.unfinished] == [("broken", 0), ("broken", 1)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--until", "decided", "--max-seeds", "2"],
            "--max-seeds must be above the suite's number of seeds, 2",
        ),
        (["--until", "decided", "--set", "seeds=[0]"], "at least two under seeds"),
        (["--until", "decided", "--set", "first_seeds=2", "--set", "seeds=[0,1,2]"], "leave out --until"),
    ],
)
def test_what_makes_no_sense_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    path = tiny_pair(tmp_path, margin=0.5)
    assert main([str(path), "--out", str(tmp_path / "runs"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()


def test_max_seeds_alone_says_what_it_goes_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([str(tiny_pair(tmp_path, margin=0.5)), "--max-seeds", "5"])
    assert "--until decided" in capsys.readouterr().err


def test_a_forecast_says_that_it_may_end_earlier(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny_pair(tmp_path, margin=0.5)
    arguments = [str(path), "--out", str(tmp_path / "runs"), *UNTIL, "--max-seeds", "3", "--dry-run"]
    assert main(arguments) == 0
    assert "to do: at most 6, 2 at a time" in capsys.readouterr().out
