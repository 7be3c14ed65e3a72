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


def name_part(option: str, pattern: str) -> Partner:
    """From a name to the part that the one group of ``pattern``, a regular expression as of ``re``, finds in it.

    The function that is returned raises ``CnnlibError`` for a name that takes longer than a second.

    Raises:
        CnnlibError: the expression is wrong, too large, or has another number of groups; it names ``option``.
    """
    if isinstance(pattern, str):
        _refuse_large(option, pattern)
    try:
        # What only regex knows, such as recursion, is refused here.
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
    counts = re.findall(r"(\d+)\s*\}", pattern)
    too_many = any(len(count) > len(str(_MOST_REPETITIONS)) for count in counts)
    if too_many or math.prod(int(count) or 1 for count in counts) > _MOST_REPETITIONS:
        raise CnnlibError(
            f"{option} {pattern!r} has counts in braces whose product is above {_MOST_REPETITIONS:,}; "
            "write + or * instead"
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
