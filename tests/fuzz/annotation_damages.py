"""Changes of annotation files: of what they say, of their bytes, and whole files that are something else."""

from __future__ import annotations

import copy
import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from xml.etree import ElementTree

from tests.fuzz.byte_damages import cut, flip, insert, splice
from tests.fuzz.hostile_values import CELLS, VALUES
from tests.fuzz.trees import changed

Change = Callable[[str, random.Random], str]
"""From a valid text to another of its format."""

_ENCODINGS = [*["utf-8"] * 20, "utf-8-sig", "utf-16", "utf-32", "latin-1", "cp037"]
_TIMES = [1, 1, 1, 2, 3]
_VALUES = [*VALUES, *CELLS]


def change_json(text: str, rng: random.Random) -> str:
    """Values are replaced, removed, repeated, wrapped, and keys renamed."""
    tree = json.loads(text)
    for _ in range(rng.choice(_TIMES)):
        tree = changed(tree, rng, _VALUES)
    return json.dumps(tree)


def change_xml(text: str, rng: random.Random) -> str:
    """Elements get other texts and names, are removed, repeated, and put into each other."""
    root = ElementTree.fromstring(text)
    for _ in range(rng.choice(_TIMES)):
        element = rng.choice(list(root.iter()))
        inner = rng.choice(list(element)) if len(element) else None
        change = rng.choice(["text", "text", "tag", "remove", "repeat", "nest"])
        if change == "text":
            element.text = rng.choice(CELLS)
        elif change == "tag":
            element.tag = rng.choice(["object", "bndbox", "xmin", "name", "annotation", "x"])
        elif inner is None:
            element.append(copy.deepcopy(root) if change == "nest" else ElementTree.Element("object"))
        elif change == "remove":
            element.remove(inner)
        else:
            (inner if change == "nest" else element).append(copy.deepcopy(inner))
    return ElementTree.tostring(root, encoding="unicode")


def change_table(delimiter: str) -> Change:
    """Cells get other texts, are removed and repeated, as are lines."""

    def change(text: str, rng: random.Random) -> str:
        lines = [line.split(delimiter) for line in text.splitlines()]
        for _ in range(rng.choice(_TIMES)):
            line = rng.choice(lines) if lines else []
            kind = rng.choice(["cell", "cell", "less", "more", "no line", "twice", "blank"])
            at = rng.randrange(max(len(line), 1))
            if kind == "no line" and lines:
                lines.remove(line)
            elif kind in ("twice", "blank"):
                lines.append(list(line) if kind == "twice" else [""])
            else:
                line[at : at + (kind != "more")] = [] if kind == "less" else [rng.choice(CELLS)]
        return _table(lines, delimiter)

    return change


def _table(lines: Sequence[Sequence[str]], delimiter: str) -> str:
    if delimiter != ",":
        return "\n".join(delimiter.join(line) for line in lines)
    written = io.StringIO()
    csv.writer(written).writerows(lines)
    return written.getvalue()


def damaged_annotation(text: str, change: Change, rng: random.Random) -> bytes:
    """Of a changed structure, with changed bytes, or both; at times in another encoding."""
    what = rng.choice(["structure", "structure", "structure", "bytes", "both"])
    if what != "bytes":
        text = change(text, rng)
    encoding = rng.choice(_ENCODINGS)
    content = text.encode(encoding, "surrogatepass" if encoding.startswith("utf") else "replace")
    for _ in range(rng.randint(1, 3) if what != "structure" else 0):
        content = rng.choice(_OF_BYTES)(content, rng)
    return content


_OF_BYTES = [flip, cut, splice, splice, insert, insert, insert]

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
