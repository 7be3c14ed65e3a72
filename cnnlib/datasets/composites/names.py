"""The names of composites."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import product


def composite_name(foreground: str, background: str, mirrored: bool, position: int) -> str:
    return f"{foreground}-{'m' if mirrored else 'o'}-{background}-{position:03d}"


def shared_names(foregrounds: Sequence[str], backgrounds: Sequence[str]) -> Iterator[str]:
    """Two pairs of a foreground and a background whose composites have one name: then one foreground's name begins
    with the other's.
    """
    known, known_backgrounds = set(foregrounds), set(backgrounds)
    for longer in foregrounds:
        beginnings = {longer[: found.start()] for found in re.finditer("-[mo]", longer)}
        for shorter in sorted(known & beginnings):
            for mark, background in product("mo", backgrounds):
                rest = f"{longer}-{mark}-{background}"[len(shorter) + 2 :]
                if rest[0] == "-" and rest[1:] in known_backgrounds:
                    yield f"{shorter} on {rest[1:]}, and {longer} on {background}"
