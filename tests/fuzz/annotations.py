"""Damaged annotation files: each gives samples that can be used, or an error for people."""

from __future__ import annotations

import io
import random
import warnings
from collections.abc import Callable, Iterable, Sequence
from contextlib import redirect_stderr
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

from cnnlib.datasets import Boxes, Keypoints, LabelStudio
from cnnlib.tasks.saved import build_tasks, write_data
from cnnlib.types import CnnlibError, DataSource
from tests.datasets import box_files, point_files, studio_files
from tests.datasets.pictures import photo, samples, save
from tests.fuzz.annotation_damages import (
    BOMBS,
    DEEP,
    LONG,
    Change,
    change_json,
    change_table,
    change_xml,
    damaged_annotation,
)
from tests.fuzz.harness import Case, fault_of_message
from tests.fuzz.hostile_values import CONTENTS

_SIZE = 8
_WHOLE_FILES = 0.1
"""Of the cases: those in which the file is replaced."""


class Format(NamedTuple):
    """One kind of annotation file."""

    open: Callable[[str, str], DataSource]
    """From the root and the annotations in it to the data set."""
    file: str
    """The one that is damaged, from the root."""
    texts: dict[str, str]
    """All files from the root, by name."""
    images: Sequence[str]
    """The names of its pictures."""
    change: Change
    """Changes what a valid text says."""
    hostile: Sequence[bytes]
    """Whole files that are no such annotation."""

    def write(self, root: Path) -> None:
        """The valid files and the pictures."""
        for seed, name in enumerate(self.images):
            save(photo(seed), root / "images" / f"{name}.png")
        for name, text in self.texts.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")

    def use(self, root: Path) -> str:
        """Opens and reads the files in ``root``, as training would.

        Raises:
            CnnlibError: they are refused.
        """
        reported = io.StringIO()
        with warnings.catch_warnings(), redirect_stderr(reported):
            warnings.simplefilter("error")
            data = self.open(str(root), self.file.partition("/")[0])
            data.check()
            if reported.getvalue():
                assert not fault_of_message(reported.getvalue())
            write_data(data, root)
            try:
                _check_samples(data)
            except CnnlibError as error:
                raise AssertionError(f"refused after check: {error}") from error
        return "accepted"


def _check_samples(data: DataSource) -> None:
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
    change, hostile = {
        ".json": (change_json, DEEP),
        ".xml": (change_xml, BOMBS),
        ".csv": (change_table(","), LONG),
        ".txt": (change_table(" "), LONG),
    }[Path(file).suffix]
    return Format(opened, file, texts, list(images), change, [*CONTENTS, *hostile])


def _open_boxes(root: str, annotations: str) -> DataSource:
    return Boxes(root, annotations, "images", size=_SIZE)


def _open_keypoints(root: str, annotations: str, crop: Literal["points"] | None = None) -> DataSource:
    return Keypoints(root, annotations, "images", size=_SIZE, crop=crop, flip_order=[])


def _open_label_studio(root: str, annotations: str) -> DataSource:
    return LabelStudio(root, annotations, "images", size=_SIZE, val=0.25, test=0.25)


class Annotations:
    """A part of ``python -m tests.fuzz``: a case is a data set whose annotation file was damaged."""

    def prepare(self, folder: Path) -> None:
        self.formats = formats()

    def case(self, index: int, rng: random.Random) -> Case:
        name = list(self.formats)[index % len(self.formats)]
        format = self.formats[name]
        text = format.texts[format.file]
        whole = rng.random() < _WHOLE_FILES
        content = rng.choice(format.hostile) if whole else damaged_annotation(text, format.change, rng)

        def run() -> str:
            format.write(Path())
            Path(format.file).write_bytes(content)
            return format.use(Path.cwd())

        return Case(f"{content[:60]!r}", name, run)
