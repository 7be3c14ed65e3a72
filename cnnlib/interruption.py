"""Ctrl-C, SIGTERM and SIGHUP: one line, the exit code that a shell expects, and nothing left behind."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from types import FrameType, TracebackType

from cnnlib.processes import end_process

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PATIENCE = 10.0
"""In seconds: a process that has not ended by itself then is ended."""


class Interrupted(BaseException):
    """A signal came that ends the process: no error, so that code that handles errors does not stop it."""


def end_in_one_line(advice: str = "") -> None:
    """From now on SIGINT, SIGTERM and SIGHUP raise ``Interrupted`` in the main thread, which ends this process and
    those it started, with exit code 128 + the signal's number.

    A command calls this before its other imports, which take seconds. What is open is closed, and temporary folders
    are removed; further signals change nothing, and neither do those that come once Python shuts down. Signals that
    are ignored already, as below nohup, stay so.

    Args:
        advice: what the line says beside which signal it was.
    """
    owner = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            # A process that loads data, which its parent ends.
            return None if number == signal.SIGINT else os._exit(128 + number)
        if not threading.main_thread().is_alive():
            # Python shuts down: the work is done.
            return None
        # Such as that a second signal came just before the next line.
        sys.unraisablehook = _say_nothing
        _ignore_signals()
        # PyTorch's handler would raise, as processes that load data end.
        signal.signal(signal.SIGCHLD, _say_nothing)
        code = 128 + number
        line = f"interrupted by {signal.Signals(number).name}{advice and '; ' + advice}\n".encode()

        unsaid = threading.Lock()

        def say_once() -> None:
            if unsaid.acquire(blocking=False):
                os.write(2, line)

        def say_it(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
            # What the frames hold is closed now, and not while Python shuts down.
            traceback.clear_frames(trace)
            say_once()
            sys.exit(code)

        def end_at_once() -> None:
            say_once()
            os._exit(code)

        # Also for other errors: of what is being closed, some may miss what has ended.
        sys.excepthook = say_it
        last_resort = threading.Timer(_PATIENCE, end_at_once)
        last_resort.daemon = True
        last_resort.start()
        for child in multiprocessing.active_children():
            end_process(child.pid)
        raise Interrupted(signal.Signals(number).name)

    for each in _SIGNALS:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, end)
    # Near its end, after what atexit holds, Python gives every signal that has a handler its default action, which
    # ends the process; what is ignored stays so.
    atexit.register(_ignore_signals)


def _ignore_signals() -> None:
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_IGN)


def _say_nothing(*_: object) -> None:
    pass
