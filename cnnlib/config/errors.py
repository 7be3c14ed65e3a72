"""What is wrong with a configuration, reported all at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from cnnlib.checks import did_you_mean, expectation
from cnnlib.types import CnnlibError

T = TypeVar("T")
MISSING = "is required, and missing"
_LONGEST_VALUE = 80
_MOST_SHOWN = 50
_LONGEST_PROBLEM = 2_000
_LONGEST_MESSAGE = 16_000
"""Characters: of all problems together."""


@dataclass(frozen=True)
class Problem:
    """One thing to correct.

    Attributes:
        path: where, in the language of ``--set``: ``tasks.mask.loss.0.weight``; empty for the whole file.
        text: what was expected, and what came.
        origin: the experiments or the override that brought it, where it is not the file's common part.
    """

    path: str
    text: str
    origin: str = ""

    def __str__(self) -> str:
        place = f"{self.path}: " if self.path else ""
        origin = f" [{self.origin}]" if self.origin else ""
        return f"{place}{self.text}{origin}"

    def of(self, origin: str) -> Problem:
        return replace(self, origin=origin)


class ConfigError(CnnlibError):
    """Every problem of one configuration.

    Attributes:
        source: the file, or whatever name the configuration goes by.
        problems: at least one.
    """

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        super().__init__(source, tuple(problems))  # as they are, so that the error can be pickled
        self.source = source
        self.problems = tuple(problems)

    def __str__(self) -> str:
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        shown, size = [], 0
        for problem in self.problems[:_MOST_SHOWN]:
            line = f"  {_cut(str(problem))}"
            if (size := size + len(line)) > _LONGEST_MESSAGE:
                break
            shown.append(line)
        more = len(self.problems) - len(shown)
        return "\n".join([f"{self.source}: {count}", *shown, *([f"  and {more} more"] if more else [])])


def _cut(text: str) -> str:
    """Without its middle where it is long: its end says where the problem comes from."""
    half = _LONGEST_PROBLEM // 2
    return text if len(text) <= _LONGEST_PROBLEM else f"{text[:half]} ... {text[-half:]}"


class Details(list[InitErrorDetails]):
    """What a validator finds wrong, collected and raised together as pydantic's own error."""

    def add(self, text: str, *place: str | int) -> None:
        self.append({"type": "value_error", "loc": place, "input": None, "ctx": {"error": ValueError(text)}})

    def collect(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T | None:
        """The function's result; None where it raises, and what it raises is kept."""
        try:
            return function(*args, **kwargs)
        except ValidationError as error:
            self.extend(error.errors(include_url=False))
            return None

    def raise_any(self) -> None:
        if self:
            raise ValidationError.from_exception_data("configuration", self)


def problems_of(
    error: ValidationError, value: Any, unknown_key: Callable[[Sequence[str]], str]
) -> list[Problem]:
    """What pydantic says, for people: one problem for each place in ``value``, which was validated.

    A union complains once for each of its types; they are joined by "or".

    Args:
        unknown_key: what to say of a key, given with those above it, that stands where it must not.
    """
    expected: dict[str, list[str]] = {}
    problems: dict[tuple[str, str], Problem] = {}
    for detail in error.errors(include_url=False):
        kind, came, keys = detail["type"], detail["input"], _keys_in(value, detail["loc"])
        place = ".".join(keys)
        if kind == "missing":
            problems[place, str(detail["loc"][-1])] = Problem(
                ".".join([*keys, str(detail["loc"][-1])]), MISSING
            )
        elif kind == "extra_forbidden":
            problems[place, ""] = Problem(place, unknown_key(keys))
        elif kind == "value_error":
            text = str(detail["ctx"]["error"])
            problems[place, text] = Problem(place, text)
        elif kind != "too_short" or len(came) < detail["ctx"]["min_length"]:  # pydantic counts what is valid
            texts = expected.setdefault(place, [])
            texts += [text] if (text := expectation(detail)) not in texts else []
            wanted = " or ".join(texts)
            near = did_you_mean(came, wanted.split("'")[1::2]) if isinstance(came, str) else ""
            problems[place, ""] = Problem(place, f"must be {wanted}; it is {show(came)}{near}")
    return list(problems.values())


def unknown_option(key: str, allowed: Iterable[str]) -> str:
    """``"there is no such option (did you mean 'widths'?); allowed: widths, norm"``."""
    names = list(allowed)
    takes = f"allowed: {', '.join(names)}" if names else "none is allowed here"
    return f"there is no such option{did_you_mean(key, names)}; {takes}"


def show(value: Any) -> str:
    """A value as its writer sees it: ``null``, ``true``, ``"text"``; shortened where it is long."""
    return shorten(json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode())


def shorten(text: str) -> str:
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _keys_in(value: Any, location: Iterable[int | str]) -> list[str]:
    """Pydantic's location without what stands for no key of ``value``, such as the names of union members."""
    keys = []
    for key in location:
        inside = isinstance(value, Mapping) and key in value
        if inside or (isinstance(value, list) and isinstance(key, int) and key < len(value)):
            value = value[key]
            keys.append(str(key))
    return keys
