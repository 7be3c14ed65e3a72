"""Runs hostile cases, each in a process of its own with limits of time and memory, and counts what became of them."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import random
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, Protocol

from cnnlib.types import CnnlibError
from tests.fuzz import trap

LONGEST_MESSAGE = 20_000  # characters
SECONDS = 10  # of processor time in a case; waiting for other processes is no fault of ours
_WAITING = 3  # times as long on the clock: a case that waits for ever uses no processor
_MEMORY = 3 * 2**30  # bytes beside those that the parent has
_TAIL = 3  # frames of a traceback
_REFUSED, _FAILED = "refused", "FAILED"


class Case(NamedTuple):
    """One hostile input.

    Attributes:
        name: distinguishes it from all others.
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

    def case(self, index: int, rng: random.Random) -> Case:
        """What would take long in every case's process is made here, where it stays."""
        ...


class Failure(NamedTuple):
    """A case that ended as none may: what happened, and the end of the traceback."""

    what: str
    place: str = ""


@dataclass
class Outcome:
    """What was tried, by kind and by what became of it, and what failed."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    failures: list[tuple[Case, Failure]] = field(default_factory=list)

    def note(self, case: Case, answer: str | Failure) -> None:
        if isinstance(answer, Failure):
            self.failures.append((case, answer))
            print(f"failed: case {case.name} ({case.kind}): {answer.what}", file=sys.stderr, flush=True)
            answer = _FAILED
        self.counts[case.kind, answer] += 1

    def lines(self) -> Iterator[str]:
        """For people."""
        became = sorted({what for _, what in self.counts})
        for kind in sorted({kind for kind, _ in self.counts}):
            counted = ", ".join(
                f"{self.counts[kind, what]} {what}" for what in became if self.counts[kind, what]
            )
            yield f"  {kind}: {counted}"
        alike: dict[tuple[str, str], list[tuple[Case, Failure]]] = {}
        for case, failure in self.failures:
            alike.setdefault((failure.what[:120], failure.place.rpartition("\n")[2]), []).append(
                (case, failure)
            )
        for failures in alike.values():
            case, failure = failures[0]
            yield f"  {len(failures)} x {failure.what} ({case.kind}; case {case.name})"
            yield from (f"      {line}" for line in failure.place.splitlines())

    @property
    def total(self) -> str:
        """In a line."""
        became: Counter[str] = Counter()
        for (_, what), count in self.counts.items():
            became[what if what in (_REFUSED, _FAILED) else "accepted"] += count
        return (
            f"{became.total()} tried, {became[_REFUSED]} refused, {became['accepted']} accepted, "
            f"{became[_FAILED]} failed"
        )


class _Running(NamedTuple):
    case: Case
    folder: Path
    process: int
    end: float


def run_cases(part: Part, folder: Path, count: int, seed: int, jobs: int = 1, first: int = 0) -> Outcome:
    """Tries cases ``first`` to ``first + count`` of ``part``, ``jobs`` at a time, in ``folder``."""
    (folder / "shared").mkdir()
    part.prepare(folder / "shared")
    outcome = Outcome()
    # By the end of the pipe that gives a case's answer.
    running: dict[int, _Running] = {}
    waiting = iter(range(first, first + count))
    while True:
        while len(running) < jobs and (index := next(waiting, None)) is not None:
            case = part.case(index, random.Random(f"{seed} {index}"))
            case = case._replace(name=f"{index}: {case.name}")
            here = folder / str(index)
            here.mkdir()
            process, pipe = _forked(case, here)
            running[pipe] = _Running(case, here, process, time.monotonic() + SECONDS * _WAITING)
        if not running:
            gc.unfreeze()
            return outcome
        ready, _, _ = select.select(list(running), [], [], 1.0)
        late = [pipe for pipe, each in running.items() if time.monotonic() > each.end and pipe not in ready]
        for pipe in [*ready, *late]:
            one = running.pop(pipe)
            outcome.note(one.case, _answer(one, pipe, pipe in late))
            shutil.rmtree(one.folder, ignore_errors=True)


def _forked(case: Case, here: Path) -> tuple[int, int]:
    """The number of a new process that tries ``case``, and the end of a pipe that gives its answer."""
    gc.freeze()  # so that the new process need not copy what it does not change
    end, start = os.pipe()
    process = os.fork()
    if process:
        os.close(start)
        return process, end
    answer: str | Failure = Failure("no answer")
    try:
        os.setsid()
        os.chdir(here)
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        resource.setrlimit(resource.RLIMIT_CPU, (_seconds_used() + SECONDS, _seconds_used() + SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (_bytes_used() + _MEMORY,) * 2)
        trap.watch(_note_of(here))
        answer = attempt(case.run)
    except BaseException as error:
        answer = Failure(_line(error), "the harness")
    finally:
        with contextlib.suppress(BaseException):
            os.write(start, pickle.dumps(answer))
        os._exit(0)


def _note_of(here: Path) -> Path:
    """What a trap writes; outside of the case's folder, which the case may change."""
    return here.with_name(f"{here.name} triggered")


def attempt(run: Callable[[], str]) -> str | Failure:
    """What ``run`` returns; ``refused`` where it raises an error for people; or a failure."""
    try:
        return run()
    except (CnnlibError, OSError) as error:  # what command lines show, with exit code 2
        return Failure(fault, _place(error)) if (fault := fault_of_message(str(error))) else _REFUSED
    except BaseException as error:
        return Failure(_line(error), _place(error))


def fault_of_message(message: str) -> str | None:
    """What makes it none for people, if anything."""
    if not message.strip() or "Traceback" in message or len(message) > LONGEST_MESSAGE:
        return f"a message of {len(message)} characters: {message[:200]!a}"
    try:
        message.encode()
    except UnicodeEncodeError:
        return f"a message that no log takes: {message[:200]!a}"
    return None


def _line(error: BaseException) -> str:
    """One that can be printed."""
    text = f"{type(error).__name__}: {error}"[:300]
    return " ".join(text.encode(errors="backslashreplace").decode().split())


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-_TAIL:]
    return "\n".join(f"{frame.filename}:{frame.lineno} {frame.line}" for frame in frames)


def _answer(one: _Running, pipe: int, late: bool) -> str | Failure:
    if late:
        os.killpg(one.process, signal.SIGKILL)
    # Not to the end: a process that the case has left behind holds the pipe open.
    content = os.read(pipe, 2**16)
    os.close(pipe)
    _, status = os.waitpid(one.process, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(one.process, signal.SIGKILL)
    if (note := _note_of(one.folder)).exists():
        return Failure(note.read_text())
    if content:
        return pickle.loads(content)
    number = os.waitstatus_to_exitcode(status)
    slow = -number in (signal.SIGXCPU, signal.SIGKILL)
    return Failure(f"killed after {SECONDS} s" if slow else f"died with code {number}")


def _seconds_used() -> int:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return int(used.ru_utime + used.ru_stime) + 1


def _bytes_used() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
