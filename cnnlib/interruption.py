"""Ctrl-C, SIGTERM and SIGHUP: one line, the exit code that a shell expects, and nothing left behind."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE = 10.0  # seconds


def end_in_one_line(advice: str = "") -> None:
    """From now on such a signal ends this process and those it started, with exit code 128 + the signal's number.

    A command calls this before its other imports, which take seconds. What is open is closed, and temporary folders
    go; further signals change nothing. Signals that are ignored already, as below nohup, stay so.

    Args:
        advice: what the line says beside which signal it was.
    """
    owner = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a process that loads data, whose parent ends it
            return None if number == signal.SIGINT else os._exit(128 + number)
        sys.unraisablehook = lambda _: None  # such as that a second signal came just before the next line
        _ignore_signals()
        signal.signal(
            signal.SIGCHLD, lambda *_: None
        )  # PyTorch's would raise, as processes that load data end
        code = 128 + number
        line = f"interrupted by {signal.Signals(number).name}{advice and '; ' + advice}\n"
        atexit.register(os.write, 2, line.encode())
        sys.excepthook = lambda *_: sys.exit(code)  # of what is being closed, some may miss what has ended
        last_resort = threading.Timer(_PATIENCE, lambda: (os.write(2, line.encode()), os._exit(code)))
        last_resort.daemon = True
        last_resort.start()
        for child in multiprocessing.active_children():
            end_process(child.pid)
        sys.exit(code)

    for each in _SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, end)
    atexit.register(_ignore_signals)  # what comes when the work is done changes nothing


def _ignore_signals() -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)


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
    """From ``/proc`` on Linux; empty elsewhere, where they end soon after their parent."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(path.parent.name))
    return found
