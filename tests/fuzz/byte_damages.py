"""What happens to the bytes of files: disks, copies and downloads change them."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import TypeAlias

from tests.fuzz.hostile_values import CONTENTS, PIECES

ByteDamage: TypeAlias = Callable[[bytes, random.Random], bytes]
"""From the content of a file to another content."""

_HEADER = 64
_PIECES = [
    *(b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3", b"\r"),
    *(b"<", b"</", b">", b"&lol;", b"<!DOCTYPE a>", b"<![CDATA["),
    *(piece.encode("utf-8", "surrogatepass") for piece in PIECES),
]


def flip(content: bytes, rng: random.Random) -> bytes:
    """One to three bits, anywhere or where the header is."""
    changed = bytearray(content)
    end = min(len(content), _HEADER) if rng.random() < 0.3 else len(content)
    for _ in range(rng.randint(1, 3) if content else 0):
        changed[rng.randrange(end)] ^= 1 << rng.randrange(8)
    return bytes(changed)


def cut(content: bytes, rng: random.Random) -> bytes:
    """The end is missing."""
    return content[: rng.randrange(max(len(content), 1))]


def zeros(content: bytes, rng: random.Random) -> bytes:
    """Where a file system has lost blocks."""
    start, end = _span(content, rng)
    return content[:start] + bytes(end - start) + content[end:]


def splice(content: bytes, rng: random.Random) -> bytes:
    """A piece is alone, missing, doubled, or once more at the end."""
    start, end = _span(content, rng)
    piece = content[start:end]
    return rng.choice(
        [piece, content[:start] + content[end:], content[:end] + content[start:], content + piece]
    )


def insert(content: bytes, rng: random.Random) -> bytes:
    """Other text, between the bytes or in place of some."""
    start, end = _span(content, rng)
    return content[:start] + rng.choice(_PIECES) + content[rng.choice([start, end]) :]


def replace(content: bytes, rng: random.Random) -> bytes:
    """Another file."""
    return rng.choice(CONTENTS)


def noise(content: bytes, rng: random.Random) -> bytes:
    return rng.randbytes(rng.randint(1, 399))


def _span(content: bytes, rng: random.Random) -> tuple[int, int]:
    """The start and the end of a piece, which is often short."""
    start = rng.randint(0, len(content))
    length = rng.choice([1, 20, 200, *[rng.randint(0, len(content))] * 3])
    return start, min(start + length, len(content))
