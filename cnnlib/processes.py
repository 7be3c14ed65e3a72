"""Other processes: what Linux reports of them in ``/proc``, how they end, and the one that Python forks others from."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, resource_tracker
from pathlib import Path

_PROC = Path("/proc")


def start_time(pid: int) -> int | None:
    """In clock ticks since the machine started; ``None`` where there is no such process, or no ``/proc``.

    The kernel gives the pid of a process that has ended to another one, which started at another time.
    """
    fields = _stat(pid)
    return int(fields[19]) if fields else None


def processor_seconds(pid: int) -> float:
    """That a process has used so far; 0 where there is no such process, or no ``/proc``."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def start_fork_server() -> None:
    """Starts the process that Python forks others from, and the one that removes their semaphores.

    Ctrl-C and SIGHUP reach all processes of a terminal. Interrupted in its imports, the first would show a traceback;
    without the second, this process would.
    """
    with _blocked(signal.SIGHUP):
        resource_tracker.ensure_running()
    with _blocked(signal.SIGINT):
        forkserver.ensure_running()


@contextmanager
def _blocked(number: signal.Signals) -> Iterator[None]:
    """Delays the signal in this thread until the block ends; processes that start meanwhile block it for good.

    Ignoring it, which processes inherit as well, would lose it here.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        # What waits is handled in here.
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_process(pid: int) -> None:
    """Kills a process, and first those that load its data: they would show tracebacks if they found it gone, and it
    would take their end for an error if it could still run.
    """
    with suppress(ProcessLookupError):
        if pid != os.getpid():
            os.kill(pid, signal.SIGSTOP)
        for child in _children(pid):
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    """Empty without ``/proc``, where they end soon after their parent."""
    pids = [int(path.name) for path in _PROC.glob("[0-9]*")]
    return [each for each in pids if (fields := _stat(each)) and int(fields[1]) == pid]


def _stat(pid: int) -> list[bytes]:
    """The fields of ``/proc/<pid>/stat`` from the third on, the process's state; none where there is no such process.

    Source: proc_pid_stat(5).
    """
    try:
        content = (_PROC / str(pid) / "stat").read_bytes()
    except OSError:
        return []
    # The second field is the process's name in brackets: any bytes, which need not be text and may be brackets, too.
    return content.rpartition(b")")[2].split()
