"""``top3_best_<task>.png`` and ``top3_worst_<task>.png``: the test images on which a run did best and worst."""

from __future__ import annotations

import io
import math
from bisect import insort
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from PIL import Image
from torch import Tensor

from cnnlib.files import file_stem, write_atomically
from cnnlib.reporting.gallery import merit
from cnnlib.tasks import Task
from cnnlib.tasks.drawing import to_uint8
from cnnlib.tasks.page import Page
from cnnlib.tasks.panel import input_pictures
from cnnlib.types import Predicted

_COUNT = 3
_TILE = 256  # the width of a picture, pixels

_Rank: TypeAlias = tuple[float, float, str]
"""As ``merit`` gives it; the name is unique."""


class TopThree:
    """A sink that keeps, for each task, the three samples with the best and the three with the worst main metric.

    Among samples of one value the task's finer metric decides. A sample without a label, or for which the metric is
    undefined, is left out; of fewer than six samples, some are in both pictures.

    Args:
        folder: where the pictures go when it is closed; none for a task of which no sample can be measured.
        tasks: what is predicted.
        inputs: the pictures that an image is made of and their channels.
    """

    def __init__(self, folder: Path, tasks: Mapping[str, Task], inputs: Mapping[str, int]) -> None:
        self.folder = folder
        self.inputs = inputs
        self._ends = {key: _Ends(task) for key, task in tasks.items()}

    def write(self, sample: Predicted) -> None:
        for key, ends in self._ends.items():
            if key in sample.targets:
                ends.add(sample, key)

    def close(self) -> None:
        for key, ends in self._ends.items():
            for which, ranks in (("best", ends.order[:_COUNT]), ("worst", ends.order[::-1][:_COUNT])):
                if ranks:
                    page = self._page(key, ends, which, ranks)
                    file = io.BytesIO()
                    page.save(file, "png")
                    write_atomically(self.folder / f"top3_{which}_{file_stem(key)}.png", file.getvalue())

    def _page(self, key: str, ends: _Ends, which: str, ranks: Sequence[_Rank]) -> Image.Image:
        task = ends.task
        page = Page(columns=4, tile=_TILE)
        page.text(f"{key}: the {len(ranks)} {which} of {len(ends.order)} images by {task.main_metric}", 20)
        for place, (*_, name) in enumerate(ranks, 1):
            sample, scores = ends.kept[name]
            page.gap(10)
            page.text(
                f"{place}. {name}: {', '.join(f'{metric} {value:.4f}' for metric, value in scores.items())}",
                15,
            )
            page.row(_pictures(task, key, sample, self.inputs))
        page.gap(10)
        page.text(f"{task.legend}. Error: {task.error_legend}.", 13)
        return page.picture()


class _Ends:
    """The order of all samples of a task, and those at its ends."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.order: list[_Rank] = []
        self.kept: dict[str, tuple[Predicted, dict[str, float]]] = {}
        self._metric = task.metric()

    def add(self, sample: Predicted, key: str) -> None:
        main, finer = self.task.main_metric, self.task.finer_metric
        scores = self._measure(sample, key)
        if not math.isfinite(scores[main]):
            return
        insort(self.order, merit(sample.name, scores[main], self.task.higher_is_better, scores.get(finer)))
        self.kept[sample.name] = sample, {name: scores[name] for name in (main, finer) if name in scores}
        ends = {name for *_, name in (*self.order[:_COUNT], *self.order[-_COUNT:])}
        self.kept = {name: one for name, one in self.kept.items() if name in ends}

    def _measure(self, sample: Predicted, key: str) -> dict[str, float]:
        value, valid = sample.targets[key]
        self._metric.reset()
        size = tuple(sample.image.shape[-2:])
        self._metric.update(sample.predictions[key][None], value[None], valid[None], size)
        return {name: float(values[0]) for name, values in self._metric.per_image().items()}


def _pictures(
    task: Task, key: str, sample: Predicted, inputs: Mapping[str, int]
) -> list[tuple[str, Image.Image]]:
    """Input, truth, prediction and error, captioned, all of one size."""
    *_, image = input_pictures(sample.image, inputs).values()
    target, prediction = sample.targets[key], sample.predictions[key]
    drawn = {
        "input": to_uint8(image),
        "truth": task.draw(task.as_prediction(target.value), image, target.valid),
        "prediction": task.draw(prediction, image),
        "error": task.draw_error(prediction, target, image),
    }
    return [(caption, _resized(picture, tuple(image.shape[1:]))) for caption, picture in drawn.items()]


def _resized(picture: Tensor, size: tuple[int, int]) -> Image.Image:
    """To the width of a tile and the proportions of ``size``; a map that is enlarged keeps its pixels."""
    height, width = size
    tile = _TILE, max(1, round(_TILE * height / width))
    enlarged = picture.shape[-1] < _TILE
    way = Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS
    return Image.fromarray(picture.permute(1, 2, 0).contiguous().cpu().numpy()).resize(tile, way)
