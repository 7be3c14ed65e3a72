"""How results and predictions are spread over the test images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from markupsafe import Markup

from cnnlib.reporting.charts import histogram
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_result import RunResult

_IMAGES, _PIXELS_PER_IMAGE = 200, 1024


def score_histograms(suite: SuiteResults, indices: Mapping[str, int]) -> dict[str, list[tuple[str, Markup]]]:
    """Metric to each experiment's histogram over test images, every seed's own value counted."""
    found = {}
    for metric in suite.ranked_by:
        values = {
            name: np.array([value for run in runs for value in run.per_image.get(metric, {}).values()])
            for name, runs in suite.finished.items()
        }
        values = {name: one[np.isfinite(one)] for name, one in values.items() if np.isfinite(one).any()}
        if values:
            span = _range(values.values())
            found[metric] = [
                (name, histogram(indices[name], one, None, span)) for name, one in values.items()
            ]
    return found


def prediction_histograms(
    suite: SuiteResults, indices: Mapping[str, int]
) -> dict[str, tuple[str, list[tuple[str, Markup]]]]:
    """Task to what is counted and each experiment's histogram, first seed, with the truth's outline.

    Only of maps with one channel: what else is predicted has no one distribution to look at.
    """
    collected: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for name, run in suite.described.items():
        for task in run.tasks:
            values = _saved_values(run, task)
            if values[0].size:
                collected.setdefault(task, {})[name] = values
    found = {}
    for task, by_name in collected.items():
        everything = [values for pair in by_name.values() for values in pair]
        binary = all(np.isin(values, (0, 1)).all() for values in everything)
        if binary:  # two bars would say little: count each image's share instead
            by_name = {name: (pair[0].mean(axis=1), pair[1].mean(axis=1)) for name, pair in by_name.items()}
        flat = {name: (pair[0].ravel(), pair[1].ravel()) for name, pair in by_name.items()}
        span = _range(values for pair in flat.values() for values in pair)
        what = "share of each picture that is predicted as foreground" if binary else "predicted values"
        found[task] = (what, [(name, histogram(indices[name], *pair, span)) for name, pair in flat.items()])
    return found


def _saved_values(run: RunResult, task: str) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and truth, (images, pixels) each: evenly spaced pixels of evenly spaced images."""
    names = run.predictions.names("truth", task)
    predicted, true = [], []
    for name in names[:: -(-len(names) // _IMAGES) or 1]:
        stored = run.predictions.read(task, name), run.predictions.read("truth", task, name)
        maps = [run.tasks[task].load(one) for one in stored if isinstance(one, np.ndarray)]
        if len(maps) != 2 or len(maps[0]) != 1:
            continue
        for one, values in zip(maps, (predicted, true), strict=True):
            pixels = one.numpy().ravel()
            values.append(pixels[np.linspace(0, len(pixels) - 1, _PIXELS_PER_IMAGE).astype(int)])
    return np.array(predicted), np.array(true)


def _range(values: Iterable[np.ndarray]) -> tuple[float, float]:
    """From the smallest to the largest, without the outermost half per cent on each side."""
    together = np.concatenate([one.ravel() for one in values])
    low, high = (float(value) for value in np.quantile(together, (0.005, 0.995)))
    return (low, high) if high > low else (low - 0.5, high + 0.5)
