"""What must never run. Hostile input names it; starting another program counts as well.

It leaves a note for the harness: unlike an exception it cannot be caught, so that the case fails in any case.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

_PROGRAMS = frozenset({"os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.startfile"})
"""The audit events of Python that come before another program runs."""

_note: Path | None = None


class Triggered(BaseException):
    """Past every ``except Exception``."""


class Trap:
    """In a config: a class that is no component. In a pickle: an object that calls ``trigger`` when it is loaded."""

    kind, default_loss, values = "mask", "bce", frozenset({"logits"})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        trigger("a class was called before it was seen to be of its kind")

    def __reduce__(self) -> tuple[Any, ...]:
        return trigger, ("a pickle was loaded",)


def pickled() -> Trap:
    """What runs ``trigger`` once it is pickled and loaded."""
    return Trap.__new__(Trap)


def trigger(*args: Any, **kwargs: Any) -> None:
    what = f"outside code ran: {', '.join(map(ascii, args))[:200]}"
    if _note is not None:
        _note.write_text(what)
    raise Triggered(what)


def watch(note: Path) -> None:
    """From here on, whatever this process or a fork of it triggers is written to the file ``note``."""
    global _note
    _note = note
    sys.addaudithook(_refuse_programs)


def _refuse_programs(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _PROGRAMS:
        trigger(f"the program {arguments[0]!r} was started")
