"""Changes of annotation files: of what they say, of their bytes, and whole files that are something else."""

from __future__ import annotations

import copy
import csv
import io
import json
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from tests.fuzz.hostile_values import CELLS, PIECES, VALUES

Change = Callable[[str, random.Random], str]
"""From a valid text to another of its format."""

_ENCODINGS = [*["utf-8"] * 20, "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp037"]
_TIMES = [1, 1, 1, 2, 3]


def change_json(text: str, luck: random.Random) -> str:
    """Values are replaced, removed, repeated, wrapped, and keys renamed."""
    tree = {"root": json.loads(text)}
    for _ in range(luck.choice(_TIMES)):
        holder, key = luck.choice(list(_places(tree))) if tree.get("root") else (tree, "root")
        change = luck.choice(["replace", "replace", "remove", "repeat", "wrap", "rename"])
        if change == "replace":
            holder[key] = copy.deepcopy(luck.choice([*VALUES, *CELLS]))
        elif change == "wrap":
            holder[key] = [holder[key]]
        elif change == "repeat" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif holder is not tree:
            value = holder.pop(key)
            if change == "rename" and isinstance(holder, dict):
                holder[luck.choice(CELLS)] = value
    return json.dumps(tree["root"])


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every value, as what holds it and its key."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def change_xml(text: str, luck: random.Random) -> str:
    """Elements get other texts and names, are removed, repeated, and put into each other."""
    root = ElementTree.fromstring(text)
    for _ in range(luck.choice(_TIMES)):
        element = luck.choice(list(root.iter()))
        inner = luck.choice(list(element)) if len(element) else None
        change = luck.choice(["text", "text", "tag", "remove", "repeat", "nest"])
        if change == "text":
            element.text = luck.choice(CELLS)
        elif change == "tag":
            element.tag = luck.choice(["object", "bndbox", "xmin", "name", "annotation", "x"])
        elif inner is None:
            element.append(copy.deepcopy(root) if change == "nest" else ElementTree.Element("object"))
        elif change == "remove":
            element.remove(inner)
        else:
            (inner if change == "nest" else element).append(copy.deepcopy(inner))
    return ElementTree.tostring(root, encoding="unicode")


def change_table(delimiter: str) -> Change:
    """Cells get other texts, are removed and repeated, as are lines."""

    def change(text: str, luck: random.Random) -> str:
        lines = [line.split(delimiter) for line in text.splitlines()]
        for _ in range(luck.choice(_TIMES)):
            line = luck.choice(lines) if lines else []
            kind = luck.choice(["cell", "cell", "less", "more", "no line", "twice", "blank"])
            at = luck.randrange(max(len(line), 1))
            if kind == "no line" and lines:
                lines.remove(line)
            elif kind in ("twice", "blank"):
                lines.append(list(line) if kind == "twice" else [""])
            else:
                line[at : at + (kind != "more")] = [] if kind == "less" else [luck.choice(CELLS)]
        return _table(lines, delimiter)

    return change


def _table(lines: Sequence[Sequence[str]], delimiter: str) -> str:
    if delimiter != ",":
        return "\n".join(delimiter.join(line) for line in lines)
    written = io.StringIO()
    csv.writer(written).writerows(lines)
    return written.getvalue()


def mutilated(text: str, change: Change, luck: random.Random) -> bytes:
    """Of a changed structure, with changed bytes, or both; at times in another encoding."""
    what = luck.choice(["structure", "structure", "structure", "bytes", "both"])
    if what != "bytes":
        text = change(text, luck)
    encoding = luck.choice(_ENCODINGS)
    content = text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")
    return content if what == "structure" else _spliced(content, luck)


def _spliced(content: bytes, luck: random.Random) -> bytes:
    """Pieces of a file are cut out, repeated, and replaced by others; bits flip."""
    changed = bytearray(content)
    for _ in range(luck.randint(1, 3)):
        at = luck.randint(0, len(changed))
        end = min(at + luck.choice([0, 0, 1, 1, 20, 200, len(content)]), len(changed))
        kind = luck.choice(["piece", "piece", "repeat", "bit"])
        if kind == "bit" and at < len(changed):
            changed[at] ^= 1 << luck.randrange(8)
        elif kind == "repeat":
            changed[at:end] = bytes(changed[at:end]) * 2
        else:
            changed[at:end] = luck.choice(_PIECES)
    return bytes(changed)


_PIECES = [
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc3",
    b"\r",
    b"<",
    b"</",
    b">",
    b"&lol;",
    b"<!DOCTYPE a>",
    b"<![CDATA[",
]
_PIECES += [piece.encode("utf-8", "surrogatepass") for piece in PIECES]

DEEP = [b"[" * 10_000_000, b'{"a":' * 1_000_000]
LONG = [b"a" * 10_000_000, b"1 " * 5_000_000, b"a\n" * 100_000, b"," * 5_000_000, b'"' + b"a" * 1_000_000]

_DOCTYPE = "<!DOCTYPE a [{}]><annotation><object><name>{}</name></object></annotation>"
_LAUGHS = "".join(f'<!ENTITY a{i + 1} "{10 * f"&a{i};"}">' for i in range(9))
BOMBS = [
    _DOCTYPE.format(f'<!ENTITY a0 "lol">{_LAUGHS}', "&a9;").encode(),  # billion laughs
    _DOCTYPE.format(f'<!ENTITY b "{"b" * 100_000}">', "&b;" * 10_000).encode(),  # quadratic
    _DOCTYPE.format('<!ENTITY e SYSTEM "file:///etc/passwd">', "&e;").encode(),
    _DOCTYPE.format('<!ENTITY e SYSTEM "/dev/zero">', "&e;").encode(),
    b'<!DOCTYPE annotation SYSTEM "http://127.0.0.1:9/a.dtd"><annotation/>',
    b"<annotation>" + b"<a>" * 50_000 + b"</a>" * 50_000 + b"</annotation>",
    b"<annotation>" + b"<object>" * 20_000 + b"</object>" * 20_000 + b"</annotation>",
    b"<annotation " + b" ".join(b'a%d="1"' % i for i in range(50_000)) + b"/>",
    b"<a>" * 3_500_000,
    b'<?xml version="1.0" encoding="no-such"?><annotation/>',
    "<annotation>".encode("utf-16"),
]
