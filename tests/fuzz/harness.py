"""Runs hostile cases, each in a process of its own with limits of time and memory, and counts what became of them."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import resource
import select
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from cnnlib.types import CnnlibError

LONGEST_MESSAGE = 100_000  # characters
SECONDS = 10  # of processor time in a case; waiting for other processes is no fault of ours
_WAITING = 3  # times as long on the clock: a case that waits for ever uses no processor
_MEMORY = 3 * 2**30  # bytes beside those that the parent has
_TAIL = 3  # frames of a traceback


class Case(NamedTuple):
    """One hostile input.

    Attributes:
        name: tells it from all others.
        kind: of what is wrong with it.
        run: tries it in the working directory, an empty folder, and returns what became of it in a word; what it
            raises must be an error for people.
    """

    name: str
    kind: str
    run: Callable[[], str]


class Part(Protocol):
    """A sort of input."""

    def prepare(self, folder: Path) -> None:
        """Makes what all cases share, in the empty ``folder``."""
        ...

    def case(self, index: int, generator: np.random.Generator) -> Case:
        """What would take long in every case's process is made here, where it stays."""
        ...


class Fall(NamedTuple):
    """A case that ended as none may."""

    name: str
    kind: str
    what: str
    place: str


@dataclass
class Outcome:
    """What was tried, by kind and by what became of it, and what fell."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    falls: list[Fall] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        """For people."""
        became = sorted({what for _, what in self.counts})
        for kind in sorted({kind for kind, _ in self.counts}):
            told = ", ".join(
                f"{self.counts[kind, what]} {what}" for what in became if self.counts[kind, what]
            )
            yield f"  {kind}: {told}"
        yield f"  {self.counts.total()} tried, {len(self.falls)} fell"
        alike: dict[tuple[str, str], list[Fall]] = {}
        for fall in self.falls:
            alike.setdefault((fall.what[:120], fall.place.rpartition("\n")[2]), []).append(fall)
        for falls in alike.values():
            first = falls[0]
            yield f"  {len(falls)} x {first.what} ({first.kind}; case {first.name})"
            yield from (f"      {line}" for line in first.place.splitlines())


def run_cases(part: Part, folder: Path, count: int, seed: int, jobs: int = 1, first: int = 0) -> Outcome:
    """Tries cases ``first`` to ``first + count`` of ``part``, ``jobs`` at a time, in ``folder``."""
    (folder / "shared").mkdir()
    part.prepare(folder / "shared")
    outcome = Outcome()
    running: dict[int, tuple[Case, int, float]] = {}  # by the pipe's end
    waiting = iter(range(first, first + count))
    while True:
        while len(running) < jobs and (index := next(waiting, None)) is not None:
            case = part.case(index, np.random.default_rng((seed, index)))
            case = case._replace(name=f"{index}: {case.name}")
            here = folder / str(index)
            here.mkdir()
            process, pipe = _forked(case, here)
            running[pipe] = case, process, time.monotonic() + SECONDS * _WAITING
        if not running:
            gc.unfreeze()
            return outcome
        ready, _, _ = select.select(list(running), [], [], 1.0)
        late = [pipe for pipe, (_, _, end) in running.items() if time.monotonic() > end and pipe not in ready]
        for pipe in [*ready, *late]:
            case, process, _ = running.pop(pipe)
            if pipe in late:
                os.kill(process, signal.SIGKILL)
            _note(outcome, case, _answer(process, pipe))


def _note(outcome: Outcome, case: Case, answer: str | Fall) -> None:
    if isinstance(answer, Fall):
        outcome.falls.append(answer._replace(name=case.name, kind=case.kind))
        print(f"fell: case {case.name} ({case.kind}): {answer.what}", file=sys.stderr, flush=True)
        answer = "FELL"
    outcome.counts[case.kind, answer] += 1


def _forked(case: Case, here: Path) -> tuple[int, int]:
    """The number of a new process that tries ``case``, and the end of a pipe that gives its answer."""
    gc.freeze()  # so that the new process need not copy what it does not change
    end, start = os.pipe()
    process = os.fork()
    if process:
        os.close(start)
        return process, end
    answer: str | Fall = Fall("", "", "no answer", "")
    try:
        os.setsid()
        os.chdir(here)
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (_seconds_used() + SECONDS, _seconds_used() + SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (_bytes_used() + _MEMORY,) * 2)
        answer = attempt(case.run)
    except BaseException as error:
        answer = Fall("", "", f"{type(error).__name__}: {error}"[:300], "the harness")
    finally:
        with contextlib.suppress(BaseException):
            os.write(start, pickle.dumps(answer))
        os._exit(0)


def attempt(run: Callable[[], str]) -> str | Fall:
    """What ``run`` returns; ``refused`` where it raises an error for people; or a fall."""
    try:
        return run()
    except (CnnlibError, OSError) as error:  # what command lines show, with exit code 2
        message = str(error)
        if len(message) > LONGEST_MESSAGE or "Traceback" in message or not message.strip():
            return Fall("", "", f"a message of {len(message)} characters: {message[:200]}", _place(error))
        return "refused"
    except BaseException as error:
        return Fall("", "", " ".join(f"{type(error).__name__}: {error}"[:300].split()), _place(error))


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_TAIL:]
    return "\n".join(f"{frame.filename}:{frame.lineno} {frame.line}" for frame in frames)


def _answer(process: int, pipe: int) -> str | Fall:
    with os.fdopen(pipe, "rb") as file:
        content = file.read()
    _, status = os.waitpid(process, 0)
    if content:
        return pickle.loads(content)
    number = os.waitstatus_to_exitcode(status)
    slow = -number in (signal.SIGXCPU, signal.SIGKILL)
    return Fall("", "", f"killed after {SECONDS} s" if slow else f"died with code {number}", "")


def _seconds_used() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int(used.ru_utime + used.ru_stime) + 1


def _bytes_used() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def report(title: str, outcome: Outcome, seconds: float) -> None:
    print(f"{title} ({seconds:.0f} s)", *outcome.lines(), sep="\n", file=sys.stdout, flush=True)
