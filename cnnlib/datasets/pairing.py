"""Which background, and which foreground, belongs to an image."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import Literal

from cnnlib.checks import did_you_mean
from cnnlib.datasets.image_files import IMAGE_SUFFIXES
from cnnlib.types import CnnlibError


class NumberedBackgrounds:
    """Finds the number of an image in its name, and from it the name of its background.

    Args:
        pattern: searched for in the image's name; its one group is the number.
        divisor: how many images in a row share a background; ``None`` takes the group as text.
        rounding: ``ceil`` where numbers start at 1 (1 to 10 share background 1), ``floor`` where they
            start at 0 (0 to 9 share background 0).
        name: the background's name as a Python format, such as ``bg_{:03d}``.

    Raises:
        CnnlibError: for options that cannot work.
    """

    def __init__(
        self, pattern: str, divisor: int | None, rounding: Literal["floor", "ceil"], name: str
    ) -> None:
        self.expected = f"names in which background_pattern {pattern!r} is found"
        self._pattern = compile_group("background_pattern", pattern)
        if divisor is not None and (isinstance(divisor, bool) or not isinstance(divisor, int) or divisor < 1):
            raise CnnlibError(
                f"fg_bg: background_divisor must be null or a whole number of at least 1; got {divisor!r}"
            )
        if rounding not in ("floor", "ceil"):
            raise CnnlibError(f"fg_bg: background_rounding must be 'floor' or 'ceil'; got {rounding!r}")
        self._divisor = divisor
        self._ceil = rounding == "ceil"
        self._name = name
        key: int | str = "text" if divisor is None else 1
        try:
            varies = name.format(key) != name
        except (ValueError, IndexError, KeyError) as error:
            raise CnnlibError(
                f"fg_bg: background_name {name!r} cannot format {key!r} ({error}); expected a format such as "
                f"'bg_{{:03d}}', or 'bg_{{}}' where background_divisor is null"
            ) from error
        if not varies:
            raise CnnlibError(
                f"fg_bg: background_name must have a place for the number, such as 'bg_{{:03d}}'; got {name!r}"
            )

    def background(self, image: str) -> str | None:
        """The name of the background of ``image``; ``None`` if the rule does not fit its name."""
        found = self._pattern.search(image)
        if found is None or found[1] is None:
            return None
        if self._divisor is None:
            return self._name.format(found[1])
        if not found[1].isdecimal():
            return None
        number = int(found[1])
        return self._name.format(-(-number // self._divisor) if self._ceil else number // self._divisor)


class ListedBackgrounds:
    """Reads a CSV file with a header line and the columns ``image``, ``background`` and, if wanted,
    ``foreground``. Names may have an ending (``.jpg``) or not.

    Raises:
        CnnlibError: if the file cannot be read as such, or says two things of one image.
    """

    def __init__(self, path: Path) -> None:
        self.expected = f"names listed in the column 'image' of {path}"
        self._backgrounds: dict[str, str] = {}
        self._foregrounds: dict[str, str] = {}
        try:
            with path.open(newline="", encoding="utf-8-sig") as file:
                self._read(csv.DictReader(file), path)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise CnnlibError(
                f"fg_bg: background_file {path} cannot be read as a CSV file ({error})"
            ) from error

    def background(self, image: str) -> str | None:
        """The name of the background of ``image``; ``None`` if the file does not list it."""
        return self._backgrounds.get(image)

    def foreground(self, image: str) -> str | None:
        """The name of the foreground of ``image``; ``None`` if the file does not tell."""
        return self._foregrounds.get(image)

    def _read(self, rows: csv.DictReader[str], path: Path) -> None:
        columns = [column for column in rows.fieldnames or () if column]
        for needed in ("image", "background"):
            if needed not in columns:
                raise CnnlibError(
                    f"fg_bg: background_file {path} needs a header line with a column {needed!r}; its first line "
                    f"has {columns}{did_you_mean(needed, columns)}"
                )
        for row in rows:
            image, background = _stem(row["image"]), _stem(row["background"])
            where = f"fg_bg: background_file {path}, line {rows.line_num}"
            if not image or not background:
                raise CnnlibError(f"{where}: expected an image and its background; got {list(row.values())}")
            if self._backgrounds.setdefault(image, background) != background:
                raise CnnlibError(
                    f"{where}: {image!r} has the background {background!r} here and "
                    f"{self._backgrounds[image]!r} further up; keep one"
                )
            if row.get("foreground"):
                self._foregrounds[image] = _stem(row["foreground"])


def compile_group(argument: str, pattern: str) -> re.Pattern[str]:
    """``pattern``, a regular expression with exactly one group.

    Raises:
        CnnlibError: naming ``argument``, if it is not.
    """
    try:
        compiled = re.compile(pattern)
    except (re.error, TypeError) as error:
        raise CnnlibError(f"fg_bg: {argument} {pattern!r} is not a regular expression ({error})") from error
    if compiled.groups != 1:
        raise CnnlibError(
            f"fg_bg: {argument} needs exactly one group in parentheses, such as 'img_(\\d+)'; "
            f"{pattern!r} has {compiled.groups}"
        )
    return compiled


def _stem(name: str | None) -> str:
    stem, suffix = os.path.splitext((name or "").strip())  # noqa: PTH122 (a name, not a path)
    return stem if suffix.lower() in IMAGE_SUFFIXES else stem + suffix
