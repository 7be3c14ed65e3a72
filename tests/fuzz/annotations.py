"""Mutilated annotation files: each gives samples that can be used, or an error for people, in a bounded time."""

from __future__ import annotations

import copy
import csv
import io
import json
import signal
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple
from xml.etree import ElementTree

import hypothesis
import numpy as np
from hypothesis import strategies as st

from cnnlib.datasets import Boxes, Keypoints, LabelStudio
from cnnlib.tasks.saved import build_tasks, write_data
from cnnlib.types import CnnlibError, DataSource
from tests.datasets import box_files, point_files, studio_files
from tests.datasets.pictures import photo, samples, save
from tests.fuzz.harness import Case

LONGEST_MESSAGE = 20_000  # characters
MOST_SECONDS = 30  # of one file, also on a machine with much else to do
_SIZE = 8
_FILES = 10  # the first of which is as hypothesis likes it, simple


class Format(NamedTuple):
    """One kind of annotation file."""

    open: Callable[[str, str], DataSource]
    """From the root and the annotations in it to the data set."""
    file: str
    """The one that is mutilated, from the root."""
    texts: dict[str, str]
    """All files from the root, by name."""
    images: Sequence[str]
    """The names of its pictures."""
    structure: Callable[[str, st.DataObject], str]
    """Changes what a valid text says, at random."""
    sweep: Callable[[str], Iterator[str]]
    """Each kind of place in it with each of the things that should not stand there."""
    hostile: Sequence[str | bytes] = ()
    """Whole files."""

    @property
    def annotations(self) -> str:
        return self.file.partition("/")[0]


class TooSlow(BaseException):
    """Past every ``except Exception``."""


# What stands in a file instead of what should


NUMBERS = [
    "-1",
    "0",
    "1e308",
    "-1e308",
    "1e-320",
    "9" * 400,
    "9" * 5000,
    "1_0",
    "0x10",
    "nan",
    "inf",
    "½",
    "٣",
]
TEXTS = [
    *NUMBERS,
    "",
    " ",
    "x" * 10_000,
    "a\nb",
    "\0",
    "\ud800",
    "../../x",
    "/etc/passwd",
    "a,b",
    '"',
    "&lol;",
    "☃",
]
VALUES: list[Any] = [
    *TEXTS,
    None,
    True,
    False,
    -1,
    0,
    1e308,
    -1e308,
    5e-324,
    10**400,
    float("nan"),
    float("inf"),
]
VALUES += [[], {}, [[]], [None] * 4, {"x": None}, [["a"] * 3] * 3]
PIECES = [
    b"",
    b"\0",
    b'"',
    b"'",
    b",",
    b"\n",
    b"\r",
    b" ",
    b"-",
    b"[",
    b"]",
    b"{",
    b"{}",
    b"<",
    b"</",
    b">",
    b"&lol;",
]
PIECES += [
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\xc3",
    b"null",
    b"1e999",
    b"9" * 5000,
    b"<!DOCTYPE a>",
    b"<![CDATA[",
]
ENCODINGS = ["utf-8-sig", "utf-16", "utf-32", "latin-1", "cp037"]


def change_json(text: str, data: st.DataObject) -> str:
    """Values are replaced, removed, repeated, wrapped, and keys renamed."""
    tree = {"root": json.loads(text)}
    for _ in range(data.draw(st.sampled_from([1, 1, 1, 2, 3]))):
        holder, key = data.draw(st.sampled_from(list(_places(tree)))) if tree.get("root") else (tree, "root")
        change = data.draw(st.sampled_from(["replace", "replace", "remove", "repeat", "wrap", "rename"]))
        if change == "replace":
            holder[key] = copy.deepcopy(data.draw(st.sampled_from(VALUES)))
        elif change == "wrap":
            holder[key] = [holder[key]]
        elif change == "repeat" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        elif holder is not tree:
            value = holder.pop(key)
            if change == "rename" and isinstance(holder, dict):
                holder[data.draw(st.sampled_from(TEXTS))] = value
    return json.dumps(tree["root"])


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every value, as what holds it and its key."""
    for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def change_xml(text: str, data: st.DataObject) -> str:
    """Elements get other texts and names, are removed, repeated, and put into each other."""
    root = ElementTree.fromstring(text)
    for _ in range(data.draw(st.sampled_from([1, 1, 1, 2, 3]))):
        element = data.draw(st.sampled_from(list(root.iter())))
        inner = data.draw(st.sampled_from(list(element))) if len(element) else None
        change = data.draw(st.sampled_from(["text", "text", "tag", "remove", "repeat", "nest"]))
        if change == "text":
            element.text = data.draw(st.sampled_from(TEXTS))
        elif change == "tag":
            element.tag = data.draw(st.sampled_from(["object", "bndbox", "xmin", "name", "annotation", "x"]))
        elif inner is None:
            element.append(copy.deepcopy(root) if change == "nest" else ElementTree.Element("object"))
        elif change == "remove":
            element.remove(inner)
        else:
            (inner if change == "nest" else element).append(copy.deepcopy(inner))
    return ElementTree.tostring(root, encoding="unicode")


def change_table(delimiter: str) -> Callable[[str, st.DataObject], str]:
    """Cells get other texts, are removed and repeated, as are lines."""

    def change(text: str, data: st.DataObject) -> str:
        lines = [line.split(delimiter) for line in text.splitlines()]
        for _ in range(data.draw(st.sampled_from([1, 1, 1, 2, 3]))):
            line = data.draw(st.sampled_from(lines)) if lines else []
            kind = data.draw(st.sampled_from(["cell", "cell", "less", "more", "no line", "twice", "blank"]))
            at = data.draw(st.integers(0, max(len(line) - 1, 0)))
            if kind == "no line" and lines:
                lines.remove(line)
            elif kind in ("twice", "blank"):
                lines.append(list(line) if kind == "twice" else [""])
            else:
                line[at : at + (kind != "more")] = (
                    [] if kind == "less" else [data.draw(st.sampled_from(TEXTS))]
                )
        return _table(lines, delimiter)

    return change


def sweep_json(text: str) -> Iterator[str]:
    tree = {"root": json.loads(text)}
    seen = set()
    for holder, key in list(_places(tree)):
        kind = (key, type(holder[key])) if isinstance(key, str) else (frozenset(_keys(holder)), key)
        whole, new = holder[key], kind not in seen
        seen.add(kind)
        for value in VALUES if new else ():
            holder[key] = value
            yield json.dumps(tree["root"])
        holder[key] = whole


def _keys(holder: Any) -> Iterator[str]:
    """Of the mappings in a list: lists of the same are of one kind."""
    return (key for each in holder if isinstance(each, dict) for key in each)


def sweep_xml(text: str) -> Iterator[str]:
    root = ElementTree.fromstring(text)
    for element in {each.tag: each for each in root.iter()}.values():
        whole = element.text
        for value in TEXTS:
            element.text = value
            yield ElementTree.tostring(root, encoding="unicode")
        element.text = whole


def sweep_table(delimiter: str) -> Callable[[str], Iterator[str]]:
    def sweep(text: str) -> Iterator[str]:
        lines = [line.split(delimiter) for line in text.splitlines()]
        for line in (lines[0], lines[-1]):
            for at, whole in enumerate(line):
                for value in TEXTS:
                    line[at] = value
                    yield _table(lines, delimiter)
                line[at] = whole

    return sweep


def _table(lines: Sequence[Sequence[str]], delimiter: str) -> str:
    if delimiter != ",":
        return "\n".join(delimiter.join(line) for line in lines)
    written = io.StringIO()
    csv.writer(written).writerows(lines)
    return written.getvalue()


@st.composite
def spliced(draw: st.DrawFn, content: bytes) -> bytes:
    """Pieces of a file are cut out, repeated, and replaced by others; bits flip."""
    changed = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(changed)))
        end = min(at + draw(st.sampled_from([0, 0, 1, 1, 20, 200, len(content)])), len(changed))
        kind = draw(st.sampled_from(["piece", "piece", "repeat", "bit"]))
        if kind == "bit" and at < len(changed):
            changed[at] ^= 1 << draw(st.integers(0, 7))
        else:
            piece = bytes(changed[at:end]) * 2 if kind == "repeat" else draw(st.sampled_from(PIECES))
            changed[at:end] = piece
    return bytes(changed)


def mutilated(format: Format, data: st.DataObject) -> bytes:
    """A changed structure, changed bytes, or both; at times in another encoding."""
    text, what = format.texts[format.file], data.draw(st.sampled_from(["structure"] * 3 + ["bytes", "both"]))
    if what != "bytes":
        text = format.structure(text, data)
    encoding = data.draw(st.sampled_from(["utf-8"] * 20 + ENCODINGS))
    surrogates = "surrogatepass" if encoding.startswith("utf") else "replace"
    content = text.encode(encoding, surrogates)
    return content if what == "structure" else data.draw(spliced(content))


# Whole files that are no such annotation


DEEP = ["[" * 10_000_000, '{"a":' * 1_000_000, "[" * 500 + "]" * 500]
NOTHING: list[str | bytes] = [
    "",
    " ",
    "\n\n",
    "\0" * 1000,
    b"\xff\xfe",
    b"\x80" * 100,
    "null",
    "{}",
    "[]",
    "1",
    '"a"',
]
DOCTYPE = '<!DOCTYPE a [<!ENTITY a0 "lol">{}]><annotation><object><name>{}</name></object></annotation>'
LAUGH = '<!ENTITY a{} "{}">'
BOMBS = [
    DOCTYPE.format("".join(LAUGH.format(i + 1, 10 * f"&a{i};") for i in range(9)), "&a9;"),  # billion laughs
    DOCTYPE.format('<!ENTITY b "' + "b" * 100_000 + '">', "&b;" * 10_000),  # quadratic
    DOCTYPE.format('<!ENTITY e SYSTEM "file:///etc/passwd">', "&e;"),
    DOCTYPE.format('<!ENTITY e SYSTEM "/dev/zero">', "&e;"),
    '<!DOCTYPE annotation SYSTEM "http://127.0.0.1:9/a.dtd"><annotation/>',
    "<annotation>" + "<a>" * 50_000 + "</a>" * 50_000 + "</annotation>",
    "<annotation>" + "<object>" * 20_000 + "</object>" * 20_000 + "</annotation>",
    "<annotation " + " ".join(f'a{i}="1"' for i in range(50_000)) + "/>",
    "<a>" * 3_500_000,
    '<?xml version="1.0" encoding="no-such"?><annotation/>',
    "<annotation>".encode("utf-16"),
]
LONG = ["a" * 10_000_000, "1 " * 5_000_000, "a\n" * 100_000, "," * 5_000_000, '"' + "a" * 1_000_000]


def formats() -> dict[str, Format]:
    """All that ``boxes``, ``keypoints`` and ``label_studio`` read."""
    boxes = {key: _format(_open_boxes, box_files.OBJECTS, make()) for key, make in box_files.FORMATS.items()}
    suffixes = {
        "numbered as by pandas": ".csv",
        "named": ".csv",
        "predictions": ".csv",
        "text": ".txt",
        "COCO": ".json",
    }
    points = {
        key: _format(_open_keypoints, point_files.IMAGES, {f"points{suffix}": point_files.FORMATS[key]})
        for key, suffix in suffixes.items()
    }
    points["named, cropped"] = points["named"]._replace(open=partial(_open_keypoints, crop="points"))
    studio = {
        key: _format(_open_label_studio, studio_files.IMAGES, {"export.json": make()})
        for key, make in studio_files.FORMATS.items()
    }
    named = {"boxes": boxes, "keypoints": points, "label_studio": studio}
    return {f"{name} {key}": each for name, made in named.items() for key, each in made.items()}


def _format(opened: Callable[[str, str], DataSource], images: Iterable[str], texts: dict[str, str]) -> Format:
    file = next(iter(texts))
    structure, sweep, hostile = {
        ".json": (change_json, sweep_json, DEEP),
        ".xml": (change_xml, sweep_xml, BOMBS),
        ".csv": (change_table(","), sweep_table(","), LONG),
        ".txt": (change_table(" "), sweep_table(" "), LONG),
    }[Path(file).suffix]
    return Format(opened, file, texts, list(images), structure, sweep, [*NOTHING, *hostile])


def _open_boxes(root: str, annotations: str) -> DataSource:
    return Boxes(root, annotations, "images", size=_SIZE)


def _open_keypoints(root: str, annotations: str, crop: Literal["points"] | None = None) -> DataSource:
    return Keypoints(root, annotations, "images", size=_SIZE, crop=crop, flip_order=[])


def _open_label_studio(root: str, annotations: str) -> DataSource:
    return LabelStudio(root, annotations, "images", size=_SIZE, val=0.25, test=0.25)


# Trying


def prepare(format: Format, root: Path) -> None:
    """The valid files and the pictures."""
    for seed, name in enumerate(format.images):
        save(photo(seed), root / "images" / f"{name}.png")
    for name, text in format.texts.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def attempt(format: Format, root: Path, content: str | bytes) -> str:
    """``refused`` or ``accepted``; anything else than these is raised."""
    given = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    (root / format.file).write_bytes(given)
    told = io.StringIO()
    with limited(MOST_SECONDS), warnings.catch_warnings(), redirect_stderr(told):
        warnings.simplefilter("error")
        try:
            data = format.open(str(root), format.annotations)
            data.check()
        except CnnlibError as error:
            _check_message(str(error))
            return "refused"
        _check_message(told.getvalue() or "nothing left out")
        _use(data, root)
        return "accepted"


def _check_message(text: str) -> None:
    assert text.strip()
    assert len(text) <= LONGEST_MESSAGE, f"a message of {len(text)} characters"
    text.encode("utf-8")  # so that a log takes it


def _use(data: DataSource, root: Path) -> None:
    """As training would: what was accepted by ``check`` is never refused later."""
    write_data(data, root)
    tasks = build_tasks({key: {} for key in data.targets}, data.targets)
    for sample in samples(data):
        assert sample["image"].shape == (3, _SIZE, _SIZE)
        for key, task in tasks.items():
            target = task.check(sample[key], (_SIZE, _SIZE))
            assert task.valid_values(target).isfinite().all()
            if key == "box":
                left, upper, right, lower = target.value.tolist()
                assert 0 <= left < right <= _SIZE
                assert 0 <= upper < lower <= _SIZE


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooSlow(f"more than {seconds} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def fuzz(format: Format, root: Path, count: int, seed: int) -> Counter[str]:
    """Tries ``count`` mutilated files in the empty folder ``root``; how often each was accepted and refused.

    Raises:
        AssertionError, or what a parser let pass: for the smallest such file that hypothesis finds.
    """
    prepare(format, root)
    outcomes: Counter[str] = Counter()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count, deadline=None, database=None, suppress_health_check=list(hypothesis.HealthCheck)
    )
    @hypothesis.given(st.data())
    def try_one(data: st.DataObject) -> None:
        content = mutilated(format, data)
        hypothesis.note(f"{format.file}: {content[:2000]!r}")
        outcomes[attempt(format, root, content)] += 1

    try_one()
    return outcomes


class Annotations:
    """A part of ``python -m tests.fuzz``: a case is some files of one format."""

    def prepare(self, folder: Path) -> None:
        self.formats = formats()

    def case(self, index: int, generator: np.random.Generator) -> Case:
        name = list(self.formats)[index % len(self.formats)]
        seed = int(generator.integers(2**32))

        def run() -> str:
            outcomes = fuzz(self.formats[name], Path.cwd(), _FILES, seed)
            return max(outcomes, key=outcomes.__getitem__)

        return Case(f"{name}, seed {seed}", name, run)
