"""The same test images over all experiments, as pictures for the page."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cnnlib.reporting.reader import Run, SavedPredictions
from cnnlib.tasks import Task

_LONGEST_SIDE = 160  # pixels; nine images of fifteen experiments must still open fast


@dataclass(frozen=True)
class Tile:
    """One picture as a data URI."""

    caption: str
    uri: str
    is_photo: bool


@dataclass(frozen=True)
class Card:
    """What belongs together: the inputs, the truth, or one experiment (``index``) with its scores."""

    title: str
    rows: tuple[tuple[Tile, ...], ...]
    index: int | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """A test image, why it was chosen, and its cards."""

    name: str
    group: str
    score: float
    cards: tuple[Card, ...]


def choose_images(scores: Mapping[str, float], higher_is_better: bool) -> list[tuple[str, str]]:
    """Name and group: the best three, three around the median, the worst three; thirds where there are under nine.

    Args:
        scores: image name to its metric, averaged over experiments. NaN is left out; ties are in order of name.
    """
    known = sorted(name for name, score in scores.items() if math.isfinite(score))
    order = sorted(known, key=lambda name: -scores[name] if higher_is_better else scores[name])
    if len(order) > 9:
        middle = len(order) // 2
        order = order[:3] + order[middle - 1 : middle + 2] + order[-3:]
    best, typical, worst = (list(part) for part in np.array_split(np.array(order, dtype=object), 3))
    groups = (("best", best), ("typical", typical), ("worst", worst[::-1]))
    return [(name, group) for group, names in groups for name in names]


def mean_scores(runs: Sequence[Run], metric: str) -> dict[str, float]:
    """Each image's ``metric`` averaged over ``runs``; NaN where a run does not define it."""
    tables = [table for run in runs if (table := run.per_image.get(metric))]
    names = dict.fromkeys(name for table in tables for name in table)
    return {name: float(np.mean([table.get(name, math.nan) for table in tables])) for name in names}


def draw_samples(
    runs: Mapping[str, tuple[int, Run]], chosen: Sequence[tuple[str, str]], scores: Mapping[str, float]
) -> list[Sample]:
    """The chosen images with each experiment's prediction and error beside input and truth.

    Args:
        runs: experiment to its index on the page and the run that is shown.
        chosen: names and groups, as ``choose_images`` gives them; all of them saved by every run.
        scores: by name, for the heading.
    """
    shown = next(run for _, run in runs.values())
    samples = []
    for name, group in chosen:
        truth = _truth_card(list(runs.values()), name)
        cards = [_inputs_card(shown.predictions, name, max(len(truth.rows), 1)), truth]
        cards += [_experiment_card(experiment, index, run, name) for experiment, (index, run) in runs.items()]
        samples.append(Sample(name, group, scores[name], tuple(card for card in cards if card.rows)))
    return samples


def _inputs_card(saved: SavedPredictions, name: str, height: int) -> Card:
    """The inputs in at most ``height`` rows, so that no card is higher than the tasks need."""
    tiles = []
    for image_name in saved.inputs():
        array = saved.read("input", image_name, name)
        if array is not None:
            tiles.append(Tile(image_name, _data_uri(Image.fromarray(array), photo=True), True))
    width = -(-len(tiles) // height)
    return Card("input", tuple(tuple(tiles[i : i + width]) for i in range(0, len(tiles), width or 1)))


def _truth_card(runs: Sequence[tuple[int, Run]], name: str) -> Card:
    """The truth of every task that any experiment has."""
    rows: dict[str, Tile] = {}
    for _, run in runs:
        for key, task in run.tasks.items():
            target, valid = _truth(run.predictions, key, task, name)
            if key not in rows and target is not None:
                rows[key] = _map_tile(key, task.draw(target, valid))
    return Card("truth", tuple((tile,) for tile in rows.values()))


def _experiment_card(experiment: str, index: int, run: Run, name: str) -> Card:
    rows, notes = [], []
    for key, task in run.tasks.items():
        array = run.predictions.read(key, name)
        if array is None:
            continue
        prediction = task.from_file(array)
        tiles = [_map_tile("prediction", task.draw(prediction))]
        target, valid = _truth(run.predictions, key, task, name)
        if target is not None:
            tiles.append(_map_tile("error", task.draw_error(prediction, target, valid)))
        rows.append(tuple(tiles))
        value = run.per_image.get(f"{key}/{task.main_metric}", {}).get(name, math.nan)
        notes.append(f"{key}/{task.main_metric} {value:.4f}" if math.isfinite(value) else key)
    return Card(experiment, tuple(rows), index, tuple(notes))


def _truth(saved: SavedPredictions, key: str, task: Task, name: str) -> tuple[Tensor | None, Tensor | None]:
    target, valid = saved.read("truth", key, name), saved.read("valid", key, name)
    return (
        None if target is None else task.from_file(target),
        None if valid is None else torch.from_numpy(valid >= 128)[None],
    )


def _map_tile(caption: str, picture: Tensor) -> Tile:
    return Tile(
        caption, _data_uri(Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy()), photo=False), False
    )


def _data_uri(picture: Image.Image, photo: bool) -> str:
    """WebP: a few kilobytes a photograph, and for maps, which are kept exactly, less than PNG."""
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    file = io.BytesIO()
    picture.convert("RGB").save(file, "webp", lossless=not photo, quality=80 if photo else 60, method=4)
    return f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"
