"""What is wrong with a data set, collected so that all of it is reported at once."""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

from cnnlib.datasets.cache import PROBLEMS, cache_root
from cnnlib.files import user_path, write_atomically
from cnnlib.types import CnnlibError

_SHOWN = 3
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LONGEST = 500  # characters of an example: files may hold names of any length


class Problems:
    """What is wrong with ``what``, the data set in words, by kind."""

    def __init__(self, what: str) -> None:
        self.what = what
        self._examples: dict[str, list[str]] = {}

    def add(self, kind: str, example: str) -> None:
        """``kind`` says what is wrong, and ``example`` where."""
        self._examples.setdefault(kind, []).append(as_line(example))

    def raise_any(self) -> None:
        """Raises one ``CnnlibError`` with every kind of problem, its count and the first few, if there is one."""
        if self._examples:
            raise CnnlibError(f"{self.what} cannot be used:\n{self.summary()}")

    def leave_out(self, lost: int, total: int, most: float) -> None:
        """Reports on stderr that ``lost`` of ``total`` samples are left out for what is wrong.

        Raises:
            CnnlibError: their share is above ``most``.
        """
        left_out = f"{lost} of {total} samples with broken files"
        if lost > most * total or lost == total:
            raise CnnlibError(
                f"{self.what} has {left_out}, more than max_skipped: {most:g} allows:\n{self.summary()}"
            )
        if lost:
            print(f"{self.what}: left out {left_out}:\n{self.summary()}", file=sys.stderr)

    def summary(self) -> str:
        """Every kind of problem, its count and the first few, in lines; the file with all, where they are more."""
        lines = self._lines(_SHOWN)
        if any(len(examples) > _SHOWN for examples in self._examples.values()):
            lines += self._listed()
        return "\n".join(lines)

    def _lines(self, most: int | None) -> list[str]:
        lines: list[str] = []
        for kind, examples in self._examples.items():
            lines += [f"  {kind}: {len(examples)}", *(f"    {example}" for example in examples[:most])]
            if most is not None and len(examples) > most:
                lines.append(f"    and {len(examples) - most} more")
        return lines

    def _listed(self) -> list[str]:
        """Writes all of them to a file, and says where: one per data set and kinds, so that they do not pile up."""
        about = "\n".join([self.what, *self._examples])
        name = hashlib.sha256(about.encode(errors="replace")).hexdigest()[:16]
        try:
            path = cache_root() / PROBLEMS / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, "\n".join([as_line(self.what), *self._lines(None), ""]))
        except (OSError, CnnlibError):  # a list that cannot be written must not hide what is wrong
            return []
        return [f"  all of them: {path.absolute()}"]


def opened(root: str) -> tuple[Path, Problems]:
    """The folder that the option ``root`` names, and the problems, none as yet, of the data set in it."""
    base = user_path(root, "root")
    return base, Problems(f"the data set in {base.absolute()}")


def as_line(text: str) -> str:
    """Text out of a file as part of a message: one line of a bounded length that every terminal and file takes."""
    shown = text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}...{text[-_LONGEST // 2 :]}"
    return _UNPRINTABLE.sub(lambda found: repr(found[0])[1:-1], shown)
