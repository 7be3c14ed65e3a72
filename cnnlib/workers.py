"""Runs in processes of their own: one that crashes takes nothing with it, and all share the machine's threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Generic, TypeVar

from cnnlib.processes import end_process, start_fork_server, start_time
from cnnlib.types import CnnlibError

Job = TypeVar("Job")

_CGROUP = Path("/sys/fs/cgroup")
_ATTEMPTS = 3
_LOST = 255
"""The exit code of a process whose fork server died, so that its end is unknown: it may still run."""
_runs_at_a_time = 1


@dataclass(frozen=True)
class _Running(Generic[Job]):
    process: BaseProcess
    job: Job
    began: int | None
    """The process's ``start_time``."""

    def end(self) -> None:
        """Kills the process, unless it has ended: its pid may be another's by now."""
        if start_time(self.process.pid) == self.began:
            end_process(self.process.pid)


def run_in_processes(
    work: Callable[[Job], None],
    jobs: Sequence[Job],
    parallel: int,
    must_wait: Callable[[Job, Sequence[Job]], bool] = lambda job, unfinished: False,
) -> Iterator[tuple[Job, int]]:
    """Calls ``work(job)`` for every job, ``parallel`` at a time, and yields each job with its exit code as it ends.

    The exit code is 0, or what the process died of (negative: the signal). Closing the iterator ends what runs.
    A fork server imports the library once and hands every job a fresh copy.

    Args:
        must_wait: given a job and those that have not ended yet, whether it may not begin.
    """
    # A thread that waits for another must soon let go of the core that the other needs: with one more process on two
    # cores, endless spinning made a step four times slower, and never spinning makes a quiet machine a third slower.
    # Read when a process loads OpenMP.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    waiting = list(jobs)
    running: dict[int, _Running[Job]] = {}
    try:
        while waiting or running:
            while len(running) < parallel:
                unfinished = [*waiting, *(each.job for each in running.values())]
                ready = (at for at, job in enumerate(waiting) if not must_wait(job, unfinished))
                if (at := next(ready, None)) is None:
                    break
                job = waiting.pop(at)
                process = _started(_enter, work, job, parallel)
                running[process.sentinel] = _Running(process, job, start_time(process.pid))
            if not running:
                raise ValueError(f"jobs wait for each other: {waiting}")
            for sentinel in wait(list(running)):
                ended = running.pop(sentinel)
                ended.process.join()
                if ended.process.exitcode == _LOST:
                    ended.end()
                yield ended.job, ended.process.exitcode
    finally:
        for each in running.values():
            # All that it writes is whole at any moment.
            each.end()
            each.process.join()


def usable_cores() -> int:
    """The processor cores that this process may use, at least 1: those that the system gives it (affinity and the
    quota of its control group, on Linux; elsewhere all), divided by the runs at a time that it is one of.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(cores, _quota(_CGROUP) or cores) // _runs_at_a_time)


def _quota(cgroup: Path) -> int | None:
    """Whole cores of time that a container is given; ``None`` where it is not limited."""
    try:
        # Version 2 of control groups, and else version 1.
        if (cgroup / "cpu.max").exists():
            quota, period = (cgroup / "cpu.max").read_text().split()
        else:
            quota, period = ((cgroup / f"cpu/cpu.cfs_{what}_us").read_text() for what in ("quota", "period"))
        return max(1, int(quota) // int(period)) if int(quota) > 0 else None
    except (OSError, ValueError):
        # There is no such file, or it says "max".
        return None


def _started(target: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A process that runs; a fork server that was killed, as where memory is short, is started again.

    Raises:
        CnnlibError: it dies every time.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cnnlib.experiment"])
    for _ in range(_ATTEMPTS):
        try:
            start_fork_server()
            process = context.Process(target=target, args=arguments)
            process.start()
            return process
        except (EOFError, OSError) as error:
            # Of the connection to the server; a process that is killed takes a moment to be gone.
            refused = error
            time.sleep(1)
    raise CnnlibError(
        f"no process can be started ({refused}): the one that starts them dies each time; is there memory left, and is "
        "TMPDIR, where its socket is made, a path of less than 80 bytes?"
    )


def _enter(work: Callable[[Job], None], job: Job, parallel: int) -> None:
    import torch

    global _runs_at_a_time
    _runs_at_a_time = parallel
    # Ctrl-C reaches all processes; the parent ends the runs.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Programs that a run starts inherit what it blocks, as the fork server does.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    # Fewer threads than cores where OMP_NUM_THREADS says so.
    torch.set_num_threads(min(usable_cores(), torch.get_num_threads()))
    threading.Thread(target=_die_with_parent, daemon=True).start()
    work(job)


def _die_with_parent() -> None:
    """A killed suite must not leave runs behind that go on writing into its folder."""
    multiprocessing.parent_process().join()
    end_process(os.getpid())
