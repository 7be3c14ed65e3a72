"""Regular expressions of configs, searched in names of files: in bounded time and memory, whatever they are."""

from __future__ import annotations

import math
import re
from functools import partial

import regex

from cnnlib.datasets.listing import Partner
from cnnlib.types import CnnlibError

_LONGEST = 500
"""Characters of a pattern."""
_MOST_REPETITIONS = 10_000
"""The product of the counts in braces: regex compiles ``a{3}`` to ``aaa``."""
_SECONDS = 1.0
"""Of processor time, for one name."""
_ESCAPE = re.compile(r"\\N\{[\w -]*\}|\\.", re.DOTALL)
_COUNT = re.compile(r"\{([0-9]*)(?:,([0-9]*))?\}")
_ONLY_IN_REGEX = re.compile(rf"(?!{_COUNT.pattern})\{{|\[:[^]]*:\]")
"""Fuzzy matching, as in ``a{e<=1}``, and POSIX classes, as in ``[[:alpha:]]``: ``re`` takes both for characters."""


def name_part(option: str, pattern: str) -> Partner:
    """From a name to the part that the one group of ``pattern``, a regular expression as of ``re``, finds in it.

    The function that is returned raises ``CnnlibError`` for a name that takes longer than a second.

    Raises:
        CnnlibError: the expression is wrong, too large, or has another number of groups; it names ``option``.
    """
    if isinstance(pattern, str):
        _refuse_large(option, pattern)
        _refuse_other_meaning(option, pattern)
    try:
        # Most of what only regex knows, such as recursion, is an error of re.
        groups = re.compile(pattern).groups
        compiled = regex.compile(pattern)
    except (re.error, regex.error, TypeError) as error:
        raise CnnlibError(f"{option} {pattern!r} is not a regular expression ({error})") from error
    if groups != 1:
        raise CnnlibError(
            f"{option} needs exactly one group in parentheses, such as 'img_(\\d+)'; {pattern!r} has {groups}"
        )
    return partial(_first_group, option, compiled)


def _refuse_large(option: str, pattern: str) -> None:
    if len(pattern) > _LONGEST:
        raise CnnlibError(
            f"{option} has {len(pattern)} characters; at most {_LONGEST} are read: {pattern[:40]!r}..."
        )
    counts = [max(int(each or 1) for each in found.groups()) for found in _COUNT.finditer(pattern)]
    if math.prod(counts) > _MOST_REPETITIONS:
        raise CnnlibError(
            f"{option} {pattern!r} has counts in braces whose product is above {_MOST_REPETITIONS:,}; "
            "write + or * instead"
        )


def _refuse_other_meaning(option: str, pattern: str) -> None:
    if found := _ONLY_IN_REGEX.search(_ESCAPE.sub("x", pattern)):
        raise CnnlibError(
            f"{option} {pattern!r} has {found[0]!r}, which is neither a count such as {{2,5}} nor a class of "
            r"characters that Python knows, such as [a-z] or \d; write \{ or \[ for the character itself"
        )


def _first_group(option: str, pattern: regex.Pattern[str], name: str) -> str | None:
    try:
        found = pattern.search(name, timeout=_SECONDS)
    except TimeoutError:
        raise CnnlibError(
            f"{option} {pattern.pattern!r} takes more than {_SECONDS:g} s on the name {name!r}; write it without a "
            r"repetition in a repetition, such as (\w+)+ or (a|aa)+"
        ) from None
    return found[1] if found else None
