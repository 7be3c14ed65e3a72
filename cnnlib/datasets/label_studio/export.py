"""Choices in the exports of Label Studio, JSON and JSON_MIN.

Source: https://labelstud.io/guide/export ("JSON", "JSON_MIN"). Only what is needed here is read.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError
from pydantic_core import from_json

from cnnlib.checks import expectation
from cnnlib.datasets.label_studio.left_out import LeftOut
from cnnlib.datasets.problems import Problems

_PICTURE = re.compile(r"\.(jpe?g|png|webp|bmp|gif|tiff?|hei[cf])$", re.IGNORECASE)
_HASH = re.compile(r"^[0-9a-f]{8}-")
_ABOUT_MIN = ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement")


class Choice(NamedTuple):
    """What one annotator chose for one image."""

    place: str
    """The file and the task, for messages."""
    images: tuple[str, ...]
    """What the image may be called, with ``/`` between folders; the likeliest first."""
    control: str
    """The name of the control that was clicked on; exports may have several."""
    spellings: tuple[str, ...]
    """What was chosen; empty where nothing was."""
    annotator: str
    cancelled: bool = False


class _Value(BaseModel):
    choices: tuple[str, ...] | None = None


class _Result(BaseModel):
    from_name: str = ""
    value: _Value | None = None


class _Annotation(BaseModel):
    result: list[_Result] | None = None
    completed_by: JsonValue = None
    was_cancelled: bool | None = None


class _Task(BaseModel):
    id: JsonValue = None
    annotations: list[_Annotation]
    file_upload: str | None = None
    data: dict[str, JsonValue] = {}


class _MinTask(BaseModel):
    id: JsonValue = None
    annotator: JsonValue = None


_TASKS = TypeAdapter(list[dict[str, JsonValue]])


def read_export(path: Path, problems: Problems, left_out: LeftOut) -> list[Choice]:
    """The choices of an export, in its order, without annotations that were cancelled.

    A later annotation of a task by the same annotator replaces the earlier one. What is wrong is added to ``problems``.
    """
    choices: dict[tuple[int, str, str], Choice] = {}
    try:
        content = from_json(path.read_text(encoding="utf-8-sig"))
        tasks = _TASKS.validate_python([content] if isinstance(content, dict) else content)
    except ValidationError as error:
        _note(error, path, "", problems)
        return []
    except (OSError, ValueError) as error:
        problems.add("exports that cannot be read", f"{path}: {error}")
        return []
    for index, task in enumerate(tasks):
        try:
            found = list(_of_task(task, path) if "annotations" in task else _of_min_task(task, path))
        except ValidationError as error:
            _note(error, path, f"{index}.", problems)
            continue
        left_out.add("annotations that were cancelled", [each.place for each in found if each.cancelled])
        choices |= {(index, each.annotator, each.control): each for each in found if not each.cancelled}
    return list(choices.values())


def _of_task(given: Mapping[str, JsonValue], path: Path) -> Iterator[Choice]:
    """A choice of nothing for an annotation without choices."""
    task = _Task.model_validate(given)
    texts = [text for text in task.data.values() if isinstance(text, str)]
    texts.sort(
        key=lambda text: not _PICTURE.search(_path(text))
    )  # other columns may stand beside the picture's
    images = tuple(image_name(text) for text in ([task.file_upload] if task.file_upload else []) + texts)
    place = f"{path}, task {json.dumps(task.id)}"
    for number, annotation in enumerate(task.annotations):
        known = annotation.completed_by is not None
        annotator = json.dumps(annotation.completed_by) if known else f"annotation {number}"
        chosen: dict[str, tuple[str, ...]] = {}
        for result in annotation.result or []:
            if result.value is not None and result.value.choices:
                chosen[result.from_name] = chosen.get(result.from_name, ()) + result.value.choices
        for control, spellings in (chosen or {"": ()}).items():
            yield Choice(place, images, control, spellings, annotator, bool(annotation.was_cancelled))


def _of_min_task(given: Mapping[str, JsonValue], path: Path) -> Iterator[Choice]:
    """Every column may be a control: which one is, the caller knows by its name."""
    task = _MinTask.model_validate(given)
    images = {
        key: text for key, text in given.items() if isinstance(text, str) and _PICTURE.search(_path(text))
    }
    names = tuple(map(image_name, images.values()))
    place, annotator = f"{path}, task {json.dumps(task.id)}", json.dumps(task.annotator)
    chosen = {
        key: _spellings(value)
        for key, value in given.items()
        if key not in _ABOUT_MIN and key not in images and _spellings(value)
    }
    for control, spellings in (chosen or {"": ()}).items():
        yield Choice(place, names, control, spellings, annotator)


def _spellings(value: Any) -> tuple[str, ...]:
    """JSON_MIN has one choice as text, several as ``{"choices": [...]}``."""
    if isinstance(value, dict):
        value = value.get("choices")
    values = value if isinstance(value, list) else [value]
    return tuple(values) if all(isinstance(each, str) for each in values) else ()


def image_name(text: str) -> str:
    """The path of an image in what a task says of it, with ``/`` between folders, and without its ending.

    ``/data/upload/1/0a1b2c3d-x.jpg``, ``/data/local-files/?d=folder%5Cx.jpg`` and ``C:\\folder\\x.jpg`` are usual;
    links may end in ``?...``.
    """
    return _PICTURE.sub("", _path(text))


def _path(text: str) -> str:
    return unquote(text.rpartition("?d=")[2].partition("?")[0]).replace("\\", "/")


def image_key(name: str) -> str:
    """What is compared of two names: the last part as Label Studio stores it, without the hash that it puts in front.

    Like Django's ``get_valid_filename``, it makes underscores of blanks, and drops what is no letter, digit, ``-``,
    ``_`` or ``.``.
    """
    last = unicodedata.normalize("NFC", name.rpartition("/")[2])
    return re.sub(r"[^-\w.]", "", _HASH.sub("", last).strip().replace(" ", "_"))


def _note(error: ValidationError, path: Path, prefix: str, problems: Problems) -> None:
    for detail in error.errors(include_url=False):
        place = prefix + ".".join(map(str, detail["loc"]))
        problems.add(
            "exports that do not hold what Label Studio writes",
            f"{path}: {place or 'it'} must be {expectation(detail)}; it is {str(detail['input'])[:60]!r}",
        )
