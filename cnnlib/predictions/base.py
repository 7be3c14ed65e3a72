"""What predictions become on disk, the same in a folder and in a zip.

::

    <task>/<name>.png                the prediction of a map, as the task stores it
    <task>.csv                       predictions that are no maps, one row per sample; the first column is ``name``
    truth/<task>/<name>.png          the target, in the same form; truth/<task>.csv likewise
    valid/<task>/<name>.png          only where some of a map's target is unknown: 255 is known, 0 is not
    predictions.json                 the rows again: name -> task -> value by name; what is unknown is null
    input/<input>/<name>.png         what the model was shown
    panels/<name>.png                all of it as one captioned picture, for people
    drawn/<name>.png                 the rows drawn on the picture, at its own size
    README.txt                       how to read the files
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import numpy as np
from annotated_types import Ge
from PIL import Image
from torch import Tensor

from cnnlib.checks import checked
from cnnlib.files import csv_text, file_stem, json_text
from cnnlib.tasks import Task
from cnnlib.tasks.overlay import draw_overlay
from cnnlib.tasks.panel import draw_panel, input_pictures, to_uint8
from cnnlib.tasks.row import RowTask
from cnnlib.types import CnnlibError, Predicted

_PICTURE_NOTES = {
    "input": "input/<input>/<name>.png: what the model was shown",
    "panels": "panels/<name>.png: all of it as one picture",
    "drawn": "drawn/<name>.png: the rows drawn on the picture, at its own size",
}
_OWN_FOLDERS = ("truth", "valid", *_PICTURE_NOTES)


@checked
@dataclass(eq=False)
class Persister(ABC):
    """Keeps each sample's files, and at the end the tables and ``README.txt``.

    Args:
        out: the folder; made if it is not there. Files of the same names are replaced, others left alone.
        tasks: what is predicted.
        inputs: the pictures that an image is made of and their channels.
        count: how many samples are kept, first come; ``None`` keeps all.
        pictures: which of the folders of the same names are kept beside the predictions.

    Raises:
        CnnlibError: ``out`` cannot be written; a task bears the name of one of the layout's own folders; from
            ``write``, a sample's name is empty, too long, or (upper and lower case alike) was there before.
    """

    out: Path
    tasks: Mapping[str, Task]
    inputs: Mapping[str, int]
    count: Annotated[int, Ge(0)] | None = None
    pictures: tuple[Literal["input", "panels", "drawn"], ...] = ("input", "panels")

    def __post_init__(self) -> None:
        if taken := [name for name in self.tasks if name in _OWN_FOLDERS]:
            raise CnnlibError(
                f"a task may not be called {taken[0]!r}: the saved predictions have a folder of that name; "
                f"rename it (taken: {', '.join(_OWN_FOLDERS)})"
            )
        self._names: dict[str, str] = {}
        self._rows: dict[str, list[dict[str, Any]]] = {}  # by the table's path
        self._folders: set[str] = set()  # directly below ``out``, as far as they are used
        try:
            self.out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CnnlibError(
                f"{self.out}: cannot hold predictions ({error.strerror}); choose another folder"
            ) from None

    @abstractmethod
    def keep(self, files: Mapping[str, bytes]) -> None:
        """Writes files, by their paths below ``out``."""

    def write(self, sample: Predicted) -> None:
        if self.count is None or len(self._names) < self.count:
            self.keep(self._files(sample))

    def close(self) -> None:
        tables = {
            path: csv_text(list(dict.fromkeys(column for row in rows for column in row)), rows)
            for path, rows in self._rows.items()
        }
        if any(isinstance(task, RowTask) for task in self.tasks.values()):
            tables["predictions.json"] = json_text(self._by_name())
        self.keep({path: text.encode() for path, text in {**tables, "README.txt": self._readme()}.items()})

    def _by_name(self) -> dict[str, dict[str, Any]]:
        """Sample to task to the values that its row holds."""
        found: dict[str, dict[str, Any]] = {}
        for key, task in self.tasks.items():
            for row in self._rows.get(f"{file_stem(key)}.csv", []):
                stored = {column: value for column, value in row.items() if column != "name"}
                found.setdefault(row["name"], {})[key] = cast(RowTask, task).by_name(stored)
        return found

    def _files(self, sample: Predicted) -> dict[str, bytes]:
        """By path; rows are kept for ``close``."""
        stem = self._claim(sample.name)
        files: dict[str, bytes] = {}
        for key, prediction in sample.predictions.items():
            task, folder = self.tasks[key], file_stem(key)
            files |= self._stored(folder, sample.name, stem, task, prediction)
            if key in sample.targets:
                value, valid = sample.targets[key]
                truth = self._stored(
                    f"truth/{folder}", sample.name, stem, task, task.as_prediction(value), valid
                )
                files |= truth
                if truth and not valid.all():
                    files[f"valid/{folder}/{stem}.png"] = _png(valid[0].cpu().numpy().astype(np.uint8) * 255)
        files |= {f"{folder}/{stem}.png": _png(picture) for folder, picture in self._pictures(sample).items()}
        self._folders |= {path.split("/")[0] for path in (*files, *self._rows)}
        return files

    def _pictures(self, sample: Predicted) -> dict[str, np.ndarray]:
        """By folder, (H, W, 3)."""
        found: dict[str, np.ndarray] = {}
        if "input" in self.pictures:
            for name, picture in input_pictures(sample.image, self.inputs).items():
                found[f"input/{file_stem(name)}"] = to_uint8(picture).permute(1, 2, 0).numpy()
        if "panels" in self.pictures:
            found["panels"] = np.array(draw_panel(sample, self.inputs, self.tasks))
        if "drawn" in self.pictures:
            drawn = draw_overlay(sample, self.inputs, self.tasks)
            found |= {} if drawn is None else {"drawn": drawn.permute(1, 2, 0).numpy()}
        return found

    def _readme(self) -> str:
        lines = [f"{file_stem(name)}: {task.file_note}" for name, task in self.tasks.items()]
        if "truth" in self._folders:
            lines.append("truth/...: the targets, in the same form as the predictions")
        if "valid" in self._folders:
            lines.append(
                "valid/<task>/<name>.png: only where some of the target is unknown: 255 is known, 0 is not"
            )
        lines += [line for folder, line in _PICTURE_NOTES.items() if folder in self._folders]
        return "\n".join(
            [
                "Predictions: maps are <task>/<name>.png, one file per sample; others are rows of <task>.csv, and the",
                "same values by name in predictions.json.",
                "",
                *lines,
                "",
                "A character that is not safe in a file name is written as in a web address: %2F is a slash.",
                "",
            ]
        )

    def _stored(
        self, path: str, name: str, stem: str, task: Task, prediction: Tensor, valid: Tensor | None = None
    ) -> dict[str, bytes]:
        """The file of a map; a row is kept for ``close``."""
        stored = task.store(prediction, valid)
        if isinstance(stored, np.ndarray):
            return {f"{path}/{stem}.png": _png(stored)}
        self._rows.setdefault(f"{path}.csv", []).append({"name": name} | stored)
        return {}

    def _claim(self, name: str) -> str:
        stem = file_stem(name)
        # Not every file system distinguishes upper from lower case.
        key = stem.casefold()
        if key in self._names:
            raise CnnlibError(
                f"samples {self._names[key]!r} and {name!r} would be saved under one name; "
                "give every sample of the data set a name of its own"
            )
        self._names[key] = name
        return stem


def _png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "png", compress_level=3)  # half the time of 6, a tenth larger
    return file.getvalue()
