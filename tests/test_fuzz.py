"""A few cases of each part of ``python -m tests.fuzz``, and what the harness itself calls a fall."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cnnlib.types import CnnlibError
from tests.fuzz.harness import Case, run_cases

ROOT = Path(__file__).parent.parent


@pytest.mark.slow
def test_a_few_hostile_inputs_of_each_part() -> None:
    from tests.fuzz.__main__ import PARTS

    command = [sys.executable, "-m", "tests.fuzz", "--count", "10", "--seed", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("10 tried, 0 fell") == len(PARTS)
    assert "refused" in done.stdout


def _fall() -> str:
    raise KeyError("x")


def _refused() -> str:
    raise CnnlibError("write it otherwise")


def _traceback() -> str:
    raise CnnlibError("Traceback (most recent call last)")


def _greedy() -> str:
    return str(len(bytearray(100 * 2**30)))


def _waiting() -> str:
    time.sleep(60)
    return "read"


def _busy() -> str:
    while True:
        pass


@pytest.mark.parametrize(
    ("run", "what"),
    [
        (lambda: "read", ""),
        (_refused, ""),
        (_fall, "KeyError: 'x'"),
        (_traceback, "a message of"),
        (_greedy, "MemoryError"),
        (_waiting, "killed after"),
        (_busy, "killed after"),
        (lambda: exit(3), "SystemExit: 3"),
    ],
)
def test_what_falls_is_told_and_what_is_refused_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[[], str], what: str
) -> None:
    monkeypatch.setattr("tests.fuzz.harness.SECONDS", 1)

    class One:
        def prepare(self, folder: Path) -> None: ...

        def case(self, index: int, generator: np.random.Generator) -> Case:
            return Case("one", "any", run)

    outcome = run_cases(One(), tmp_path, 1, seed=0)
    assert outcome.counts.total() == 1
    assert [fall.what.startswith(what) for fall in outcome.falls] == ([True] if what else [])
