"""Runs in processes of their own: one that crashes takes nothing with it, and all share the machine's threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

Job = TypeVar("Job")


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
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cnnlib.experiment"])
    threads = max(1, _cores() // parallel)
    waiting = list(jobs)
    running: dict[int, tuple[BaseProcess, Job]] = {}
    try:
        while waiting or running:
            while len(running) < parallel:
                unfinished = [*waiting, *(job for _, job in running.values())]
                ready = (at for at, job in enumerate(waiting) if not must_wait(job, unfinished))
                if (at := next(ready, None)) is None:
                    break
                job = waiting.pop(at)
                process = context.Process(target=_enter, args=(work, job, threads))
                process.start()
                running[process.sentinel] = process, job
            if not running:
                raise ValueError(f"jobs wait for each other: {waiting}")
            for sentinel in wait(list(running)):
                process, job = running.pop(sentinel)
                process.join()
                yield job, process.exitcode
    finally:
        for process, _ in running.values():
            process.terminate()
            process.join()


def _cores() -> int:
    """That this process may use, where the system tells (Linux); else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _enter(work: Callable[[Job], None], job: Job, threads: int) -> None:
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends the runs
    torch.set_num_threads(min(threads, torch.get_num_threads()))  # fewer where OMP_NUM_THREADS says so
    threading.Thread(target=_die_with_parent, daemon=True).start()
    work(job)


def _die_with_parent() -> None:
    """A killed suite must not leave runs behind that go on writing into its folder."""
    multiprocessing.parent_process().join()
    os._exit(1)
