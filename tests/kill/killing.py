"""A suite in processes of its own, and kills among them."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.kill.suites import Suite
from tests.tiny_suite import session_of

_LONGEST = 600  # seconds that a suite may take to its end
_TRIES = 10


@dataclass(frozen=True)
class Whole:
    """A suite that nobody killed."""

    folder: Path
    seconds: float


def run_whole(suite: Suite, out: Path) -> Whole:
    began = time.monotonic()
    process = _start(suite, out)
    if process.wait(_LONGEST):
        raise SystemExit(f"{suite.name} does not even run undisturbed; see {out}/log")
    return Whole(out / "tiny", time.monotonic() - began)


def run_killed(suite: Suite, out: Path, kills: int, rng: random.Random, seconds: float) -> Counter[str]:
    """Kills the command up to ``kills`` times, each at a moment within ``seconds``, and then lets it end; what was
    killed. A command that ends first is not killed any more.
    """
    killed: Counter[str] = Counter()
    while killed.total() < kills:
        process = _start(suite, out)
        with suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0, seconds))
        others = [each for each in session_of(process.pid) if each != process.pid]
        if process.poll() is not None:
            break
        killed[_kill(process, others, rng)] += 1
        process.wait(_LONGEST)
        _wait_for_all(process.pid)
    for _ in range(
        _TRIES
    ):  # a run that was killed alone is noted as failed, and the next call tries it again
        process = _start(suite, out)
        if process.wait(_LONGEST) == 0:
            return killed
    raise SystemExit(f"{suite.name} does not end; see {out}/log")


def _kill(process: subprocess.Popen[bytes], others: list[int], rng: random.Random) -> str:
    """What was killed: the command, all that it started, or one of these alone, such as a run or a loader."""
    what = rng.choice(("the command", "all its processes", "one of its processes"))
    if what == "all its processes":
        os.killpg(process.pid, signal.SIGKILL)
    elif what == "one of its processes" and others:
        with suppress(ProcessLookupError):
            os.kill(rng.choice(others), signal.SIGKILL)
    else:
        what = "the command"
        process.kill()
    return what


def _start(suite: Suite, out: Path) -> subprocess.Popen[bytes]:
    out.mkdir(exist_ok=True)
    environment = os.environ | {"CNNLIB_CACHE": str(out / "cache"), "OMP_NUM_THREADS": "1"}
    with (out / "log").open("ab") as log:
        return subprocess.Popen(
            suite.command(out), stdout=log, stderr=log, env=environment, start_new_session=True
        )


def _wait_for_all(session: int) -> None:
    """What outlives the command for long is a fault of its own: it could write into the folder of the next call."""
    deadline = time.monotonic() + 60
    while left := session_of(session):
        if time.monotonic() > deadline:
            raise SystemExit(f"processes that outlived their command: {left}")
        time.sleep(0.1)
