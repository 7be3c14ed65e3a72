"""The same test images over all experiments, as pictures for the page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from torch import Tensor

from cnnlib.reporting.run_result import RunResult
from cnnlib.tasks import Task

_MAP_SIDE = 160  # pixels at most; nine images of fifteen experiments must still open fast
_DRAWING_SIDE = 256  # what is drawn or written on a picture must stay legible


@dataclass(frozen=True)
class Tile:
    """One picture as a data URI, empty where there is nothing to show; photographs and drawings are not pixelated."""

    caption: str
    uri: str = ""
    is_photo: bool = False


@dataclass(frozen=True)
class Card:
    """What belongs together: the inputs, the truth, or one experiment (``index``) with its scores, a row per task."""

    title: str
    rows: tuple[tuple[Tile, ...], ...]
    index: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """A test image, why it was chosen (its ``group``, and its ``score`` in ``metric``), and its cards."""

    name: str
    metric: str
    group: str
    score: float
    cards: tuple[Card, ...]


def merit(
    name: str, score: float, higher_is_better: bool, finer: float | None = None
) -> tuple[float, float, str]:
    """What images are sorted by, the best first: the score, a finer metric of which lower is better, the name."""
    second = 0.0 if finer is None or math.isnan(finer) else finer
    return -score if higher_is_better else score, second, name


def choose_images(
    scores: Mapping[str, float],
    higher_is_better: bool,
    finer: Mapping[str, float] = {},
    groups: Sequence[str] = ("best", "typical", "worst"),
) -> list[tuple[str, str]]:
    """Name and group: the best three, three around the median, the worst three; equal parts where there are too few.

    Args:
        scores: image name to its metric, averaged over experiments. NaN is left out.
        finer: decides between images of one score, lower is better; then the name does.
        groups: the first is the best, the last the worst, one between them is around the median.
    """
    known = {name: score for name, score in scores.items() if math.isfinite(score)}
    order = sorted(known, key=lambda name: merit(name, known[name], higher_is_better, finer.get(name)))
    if len(order) > 3 * len(groups):
        middle = len(order) // 2 - 1
        typical = order[middle : middle + 3] if len(groups) > 2 else []
        order = order[:3] + typical + order[-3:]
    parts = [list(part) for part in np.array_split(np.array(order, dtype=object), len(groups))]
    parts[-1].reverse()
    return [(name, group) for group, names in zip(groups, parts, strict=True) for name in names]


def mean_scores(runs: Sequence[RunResult], metric: str) -> dict[str, float]:
    """Each image's ``metric`` averaged over those of ``runs`` that have it; NaN where one does not define it."""
    tables = [table for run in runs if (table := run.per_image.get(metric))]
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: float(np.mean([table[name] for table in tables if name in table])) for name in names}


def draw_samples(
    runs: Mapping[str, tuple[int, Sequence[RunResult]]],
    chosen: Sequence[tuple[str, str]],
    metric: str,
    scores: Mapping[str, float],
    only: str | None = None,
) -> list[Sample]:
    """The chosen images with each experiment's prediction and error beside input and truth.

    Args:
        runs: experiment to its index on the page and its runs; the first that has saved an image is shown.
        chosen: names and groups, as ``choose_images`` gives them; all of them saved by a run of every experiment.
        metric, scores: what they were chosen by, for the heading; ``scores`` by name.
        only: the task that is shown; ``None`` shows all.
    """
    samples = []
    for name, group in chosen:
        shown = {
            experiment: (index, next(run for run in of_name if has_saved(run, name)))
            for experiment, (index, of_name) in runs.items()
        }
        first, *_ = own = [run for _, run in shown.values()]
        truth = _truth_card(own, name, only)
        cards = [_inputs_card(first, name, max(len(truth.rows), 1)), truth]
        cards += [
            _experiment_card(experiment, index, run, name, only) for experiment, (index, run) in shown.items()
        ]
        samples.append(Sample(name, metric, group, scores[name], tuple(card for card in cards if card.rows)))
    return samples


def has_saved(run: RunResult, name: str) -> bool:
    """Whether a prediction for the image ``name`` is there."""
    return any(run.predictions.has(task, name) for task in run.tasks)


def _inputs_card(run: RunResult, name: str, height: int) -> Card:
    """The inputs in at most ``height`` rows, so that no card is higher than the tasks need."""
    arrays = {key: run.predictions.read("input", key, name) for key in run.data.inputs}
    tiles = [
        Tile(key, _data_uri(Image.fromarray(array), _MAP_SIDE, lossless=False), True)
        for key, array in arrays.items()
        if array is not None
    ]
    width = -(-len(tiles) // height)
    return Card("input", tuple(tuple(tiles[i : i + width]) for i in range(0, len(tiles), width or 1)))


def _truth_card(runs: Sequence[RunResult], name: str, only: str | None) -> Card:
    """The truth of every task that any experiment predicts; an empty tile where the sample has none."""
    rows: dict[str, Tile] = {}
    for run in runs:
        picture = run.picture(name)
        for key, task in _shown(run, only).items():
            if key in rows or picture is None or run.predictions.read(key, name) is None:
                continue
            target = run.target(key, name)
            truth = target and task.draw(task.as_prediction(target.value), picture, target.valid)
            rows[key] = Tile(f"{key}: no label") if truth is None else _tile(key, truth, run, key, name)
    return Card("truth", tuple((tile,) for tile in rows.values()))


def _shown(run: RunResult, only: str | None) -> dict[str, Task]:
    return {key: task for key, task in run.tasks.items() if only in (None, key)}


def _experiment_card(experiment: str, index: int, run: RunResult, name: str, only: str | None) -> Card:
    rows, notes = [], []
    picture = run.picture(name)
    for key, task in _shown(run, only).items():
        prediction, target = run.prediction(key, name), run.target(key, name)
        if prediction is None or picture is None:
            continue
        tiles = [_tile("prediction", task.draw(prediction, picture), run, key, name)]
        if target is not None:
            tiles.append(_tile("error", task.draw_error(prediction, target, picture), run, key, name))
        rows.append(tuple(tiles))
        notes.append(f"{key}/{', '.join(_scores(run, key, task, name))}".removesuffix("/"))
    return Card(experiment, tuple(rows), index, tuple(notes))


def _scores(run: RunResult, key: str, task: Task, name: str) -> list[str]:
    """What the image got in the main metric and in the finer one, as far as they are defined."""
    metrics = filter(None, (task.main_metric, task.finer_metric))
    values = {metric: run.per_image.get(f"{key}/{metric}", {}).get(name, math.nan) for metric in metrics}
    return [f"{metric} {value:.4f}" for metric, value in values.items() if math.isfinite(value)]


def _tile(caption: str, drawn: Tensor, run: RunResult, task: str, name: str) -> Tile:
    """A map is kept exactly; what is stored as a row is drawn on the picture."""
    is_drawing = isinstance(run.predictions.read(task, name), dict)
    picture = Image.fromarray(drawn.permute(1, 2, 0).contiguous().numpy())
    uri = _data_uri(picture, _DRAWING_SIDE if is_drawing else _MAP_SIDE, lossless=not is_drawing)
    return Tile(caption, uri, is_drawing)


def _data_uri(picture: Image.Image, side: int, lossless: bool) -> str:
    """WebP: a few kilobytes per photograph, and for maps, which are kept exactly, less than PNG."""
    picture.thumbnail((side, side))
    file = io.BytesIO()
    picture.convert("RGB").save(file, "webp", lossless=lossless, quality=60 if lossless else 80, method=4)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
