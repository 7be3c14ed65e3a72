"""What a sample becomes on disk, the same in a folder and in a zip.

::

    <task>/<name>.png                the prediction, as the task stores it
    truth/<task>/<name>.png          the target, in the same form
    valid/<task>/<name>.png          only where some of the target is unknown: 255 is known, 0 is not
    input/<image name>/<name>.png    what the model was shown
    panels/<name>.png                all of it as one captioned picture, for people
    README.txt                       how to read the files
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cnnlib.files import file_stem
from cnnlib.tasks import Task
from cnnlib.tasks.panel import draw_panel, input_pictures
from cnnlib.types import CnnlibError, Predicted

_OWN_FOLDERS = ("truth", "valid", "input", "panels")


class Layout:
    """Turns samples into named files.

    Args:
        tasks: what is predicted.
        image_names: what each group of three channels of an image shows.
        count: how many samples are kept, first come; ``None`` keeps all.

    Raises:
        CnnlibError: a task bears the name of one of the layout's own folders, or ``count`` is negative.
    """

    def __init__(self, tasks: Mapping[str, Task], image_names: Sequence[str], count: int | None) -> None:
        taken = [name for name in tasks if name in _OWN_FOLDERS]
        if taken:
            raise CnnlibError(
                f"a task may not be called {taken[0]!r}: the saved predictions have a folder of that name; "
                f"rename it (taken: {', '.join(_OWN_FOLDERS)})"
            )
        if count is not None and count < 0:
            raise CnnlibError(f"predictions.count must be 0 or more, or left out to keep all; it is {count}")
        self.tasks = tasks
        self.image_names = image_names
        self.count = count
        self._names: dict[str, str] = {}

    def files(self, sample: Predicted) -> dict[str, bytes]:
        """The files of one sample, by path; none once ``count`` samples have come.

        Raises:
            CnnlibError: the name is empty, too long, or (upper and lower case alike) was there before.
        """
        if self.count is not None and len(self._names) >= self.count:
            return {}
        stem = self._claim(sample.name)
        files = {}
        for task, prediction in sample.predictions.items():
            folder = file_stem(task)
            files[f"{folder}/{stem}.png"] = _png(self.tasks[task].to_file(prediction))
            if task in sample.targets:
                files[f"truth/{folder}/{stem}.png"] = _png(self.tasks[task].to_file(sample.targets[task]))
            if task in sample.valid and not sample.valid[task].all():
                known = sample.valid[task][0].cpu().numpy()
                files[f"valid/{folder}/{stem}.png"] = _png(known.astype(np.uint8) * 255)
        for image_name, picture in input_pictures(sample.image, self.image_names).items():
            files[f"input/{file_stem(image_name)}/{stem}.png"] = _png(picture.permute(1, 2, 0).numpy())
        panel = draw_panel(sample, self.image_names, self.tasks)
        files[f"panels/{stem}.png"] = _png(np.array(panel))
        return files

    def readme(self) -> str:
        lines = [f"{file_stem(name)}/<name>.png: {task.file_note}" for name, task in self.tasks.items()]
        return "\n".join(
            [
                "Predictions, one file a sample.",
                "",
                *lines,
                "truth/<task>/<name>.png: the target, in the same form as the prediction",
                "valid/<task>/<name>.png: only where some of the target is unknown: 255 is known, 0 is not",
                "input/<image>/<name>.png: what the model was shown",
                "panels/<name>.png: all of it as one picture",
                "",
                "A character that is not safe in a file name stands as in a web address: %2F is a slash.",
                "",
            ]
        )

    def _claim(self, name: str) -> str:
        stem = file_stem(name)
        key = stem.casefold()  # not every file system tells upper from lower case
        if key in self._names:
            raise CnnlibError(
                f"samples {self._names[key]!r} and {name!r} would be saved under one name; "
                "give every sample of the data set a name of its own"
            )
        self._names[key] = name
        return stem


def make_folder(path: Path) -> None:
    """
    Raises:
        CnnlibError: ``path`` cannot be a folder that is written into.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CnnlibError(
            f"{path}: cannot hold predictions ({error.strerror}); choose another folder"
        ) from None


def _png(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(array).save(file, "png", compress_level=3)  # half the time of 6, a tenth larger
    return file.getvalue()
