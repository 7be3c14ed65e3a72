"""A few cases of each part of ``python -m tests.fuzz``, and what the harness itself calls a failure."""

from __future__ import annotations

import os
import pickle
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.types import CnnlibError
from tests.fuzz.harness import Case, run_cases
from tests.fuzz.shares import counts_of
from tests.fuzz.trap import pickled, trigger

ROOT = Path(__file__).parent.parent


_TRAPPED = """
import importlib, sys
from contextlib import suppress
from tests.fuzz.__main__ import main
from tests.fuzz.trap import trigger

def trapped(original):
    def call(*arguments, **options):
        with suppress(BaseException):
            trigger("on purpose")
        return original(*arguments, **options)
    return call

for place in sys.argv[1:]:
    module, _, name = place.rpartition(".")
    module = importlib.import_module(module)
    setattr(module, name, trapped(getattr(module, name)))
sys.exit(main(["--count", "20", "--jobs", "2"]))
"""
_CALLED_BY_ALL_PARTS = [
    "tests.fuzz.configs.load_suite",
    "tests.fuzz.annotations.Boxes",
    "PIL.Image.open",
    "tests.fuzz.data_sets.Shards",
    "tests.fuzz.runs.read_suite",
]


def _fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_few_hostile_inputs_of_each_part() -> None:
    done = _fuzz("-m", "tests.fuzz", "--count", "60", "--seed", "3", "--jobs", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    for name, count in counts_of(60).items():
        assert f"\n{name}: {count} tried, " in done.stdout
    assert done.stdout.count(", 0 failed (") == len(counts_of(60))
    for name in ("configs", "annotations", "pictures", "data_sets"):
        (total,) = re.findall(
            rf"^{name}: \d+ tried, (\d+) refused, (\d+) accepted", done.stdout, re.MULTILINE
        )
        assert "0" not in total


@pytest.mark.slow
def test_a_triggered_trap_is_noticed_in_every_part() -> None:
    """Also where the library goes on as if nothing had been."""
    done = _fuzz("-c", _TRAPPED, *_CALLED_BY_ALL_PARTS)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "outside code ran: 'on purpose'" in done.stdout
    failed = dict(re.findall(r"^(\w+): .* (\d+) failed", done.stdout, re.MULTILINE))
    assert failed.keys() == counts_of(20).keys()
    assert "0" not in failed.values()


@given(st.integers(20, 100_000))
def test_half_as_many_files_as_configs_are_tried(count: int) -> None:
    counts = counts_of(count)
    assert counts.pop("configs") == count
    assert min(counts.values()) >= 1
    assert sum(counts.values()) == count // 2


def _failing() -> str:
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


def _hidden_trap() -> str:
    with suppress(BaseException):
        trigger("in secret")
    return "read"


def _unpickling() -> str:
    with suppress(BaseException):
        pickle.loads(pickle.dumps(pickled()))
    raise CnnlibError("refused")


def _program() -> str:
    with suppress(BaseException):
        subprocess.run(["true"], check=False)
    return "read"


def _trap_in_a_child() -> str:
    child = os.fork()
    if not child:
        try:
            trigger("in a child")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    return "read"


def _leaving_a_child() -> str:
    if not os.fork():
        time.sleep(600)
    return "read"


@pytest.mark.parametrize(
    ("run", "what"),
    [
        (lambda: "read", ""),
        (_refused, ""),
        (_failing, "KeyError: 'x'"),
        (_traceback, "a message of"),
        (_greedy, "MemoryError"),
        (_waiting, "killed after"),
        (_busy, "killed after"),
        (lambda: exit(3), "SystemExit: 3"),
        (_leaving_a_child, ""),
        (_hidden_trap, "outside code ran: 'in secret'"),
        (_unpickling, "outside code ran: 'a pickle was loaded'"),
        (_program, "outside code ran: \"the program 'true' was started\""),
        (_trap_in_a_child, "outside code ran: 'in a child'"),
    ],
)
def test_what_fails_is_reported_and_what_is_refused_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Callable[[], str], what: str
) -> None:
    monkeypatch.setattr("tests.fuzz.harness.SECONDS", 1)

    class One:
        def prepare(self, folder: Path) -> None: ...

        def case(self, index: int, rng: random.Random) -> Case:
            return Case("one", "any", run)

    outcome = run_cases(One(), tmp_path, 1, seed=0)
    assert outcome.counts.total() == 1
    assert [failure.what.startswith(what) for _, failure in outcome.failures] == ([True] if what else [])
