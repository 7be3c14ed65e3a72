"""``report.html``: one page that compares a suite's experiments, made from its finished folder alone."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from torch import Tensor

from cnnlib import __version__
from cnnlib.files import write_atomically
from cnnlib.reporting.charts import curve_of, line_chart, place_chart, reliability_chart
from cnnlib.reporting.gallery import Sample, choose_images, draw_samples, has_saved, mean_scores
from cnnlib.reporting.histograms import prediction_histograms, score_histograms
from cnnlib.reporting.leaderboard import Leaderboard
from cnnlib.reporting.lineage_chart import lineage_figures
from cnnlib.reporting.multi_task_gain import Gain, gains
from cnnlib.reporting.pareto import pareto_figures
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_files import read_json_mapping
from cnnlib.reporting.run_result import RunResult
from cnnlib.reporting.templates import TEMPLATES
from cnnlib.reporting.weighting_charts import weighting_figures
from cnnlib.tasks.base import PlaceErrors
from cnnlib.tasks.class_counts import ClassCounts, total
from cnnlib.types import CnnlibError, Target


def write_report(suite: SuiteResults) -> Path:
    """Writes ``report.html`` into the suite's folder: self-contained, and the same again for the same folder.

    What is not there (failed runs, predictions that were not kept, a file that is missing) is named on the page.

    Raises:
        CnnlibError: one of the folder's files is damaged.
    """
    path = suite.folder / "report.html"
    write_atomically(path, render(suite))
    return path


def render(suite: SuiteResults) -> str:
    """The page's HTML."""
    folder = suite.folder.resolve()
    indices = {name: index for index, name in enumerate(suite.finished)}
    galleries, gallery_note = _galleries(suite, indices)
    costs = [_cost(name, runs) for name, runs in suite.finished.items()]
    together = gains(suite)
    return TEMPLATES.get_template("report.html").render(
        suite=suite,
        folder=shlex.quote(f"{folder.parent.name}/{folder.name}"),  # the page may be read on another machine
        explanations=suite.explanations,
        version=__version__,
        indices=indices,
        seeds=sorted({run.seed for run in suite.runs}),
        facts=_facts(suite),
        leaderboard=Leaderboard.of(suite, indices),
        lineage=lineage_figures(suite, indices),
        gains=_best_first(together),
        families=_families(together),
        cost_factors=_cost_factors(costs, suite.baseline),
        pareto=pareto_figures(suite, indices, _alone(suite, together)),
        charts=_charts(suite, indices),
        weightings=weighting_figures(suite),
        galleries=galleries,
        gallery_note=gallery_note,
        spreads=score_histograms(suite, indices),
        histograms=prediction_histograms(suite, indices),
        place_errors=_place_errors(suite),
        by_class=_by_class(suite),
        reliability_chart=reliability_chart,
        costs=costs,
        environment=_environment(suite.runs),
    )


def _facts(suite: SuiteResults) -> dict[str, Any]:
    """What all experiments share: section of the config to its component; the number of epochs."""
    configs = [run.config for run in suite.described.values()]
    facts = {section: configs[0].get(section) for section in ("dataset", "model") if configs}
    facts = {key: value for key, value in facts.items() if all(one.get(key) == value for one in configs)}
    epochs = {run.result.get("epochs") for run in suite.runs}
    return facts | ({"epochs": epochs.pop()} if len(epochs) == 1 else {})


def _charts(suite: SuiteResults, indices: Mapping[str, int]) -> list[tuple[str, str, Markup]]:
    """Title, what it shows, chart."""
    wanted = {f"val/{metric}": not higher for metric, higher in suite.ranked_by.items()}
    wanted |= {"val/loss": True, "train/loss": True}
    charts = []
    for column, falling in wanted.items():
        curves = [
            curve_of(f"s{indices[name]}", name, own)
            for name, runs in suite.finished.items()
            if (own := [(run.history["epoch"], run.history[column]) for run in runs if column in run.history])
        ]
        if curves:
            losses = "the loss that is minimised" + (
                "; losses of different kinds cannot be compared" if len(curves) > 1 else ""
            )
            note = losses if column.endswith("/loss") else suite.explanations.get(column[len("val/") :], "")
            charts.append((column, note, line_chart(curves, falling)))
    return charts


def _galleries(suite: SuiteResults, indices: Mapping[str, int]) -> tuple[list[list[Sample]], str]:
    """The images chosen by each metric that runs are ranked by, and how, or why there are none.

    Those of the first metric are shown with all tasks, those of another with its task alone.
    """
    kept = {name: [run for run in runs if len(run.predictions)] for name, runs in suite.all_described.items()}
    shown = {name: (indices[name], runs) for name, runs in kept.items() if runs}
    if not shown or not suite.ranked_by:
        return [], "No run has kept its predictions, so there are no pictures to compare."
    first, *others = suite.ranked_by
    galleries, count = [], 0
    for metric in (first, *others):
        scores = _saved_scores(suite, metric, [runs for _, runs in shown.values()])
        finer = mean_scores(suite.runs, _finer(suite, metric))
        groups = ("best", "typical", "worst") if metric == first else ("best", "worst")
        chosen = choose_images(scores, suite.ranked_by[metric], finer, groups)
        only = None if metric == first else metric.partition("/")[0]
        galleries.append(draw_samples(shown, chosen, metric, scores, only))
        count = max(count, len(scores))
    if not any(galleries):
        return (
            [],
            f"No test image was kept by every run and has {' or '.join(suite.ranked_by)} in per_image.csv.",
        )
    note = f"The best three, three typical and the worst three of {count} test image{'s'[: count != 1]} by {first}"
    note += f"; the best and the worst three by {', '.join(others)}" if others else ""
    note += ", averaged over all experiments and seeds. " if len(suite.runs) > 1 else ". "
    left_out = [name for name in suite.finished if name not in shown]
    if left_out:
        note += f"Without saved predictions: {', '.join(left_out)}. "
    return [samples for samples in galleries if samples], note


def _saved_scores(suite: SuiteResults, metric: str, shown: Sequence[Sequence[RunResult]]) -> dict[str, float]:
    """Of the images that a run of every experiment has saved."""
    return {
        name: score
        for name, score in mean_scores(suite.runs, metric).items()
        if all(any(has_saved(run, name) for run in runs) for runs in shown)
    }


def _finer(suite: SuiteResults, metric: str) -> str:
    """The metric that distinguishes images of one value of ``metric``."""
    key = metric.partition("/")[0]
    return f"{key}/{suite.tasks[key].finer_metric}" if key in suite.tasks else ""


def _place_errors(suite: SuiteResults) -> dict[str, tuple[str, float, list[tuple[str, str, Markup]]]]:
    """Task to the unit, the largest error, and each experiment with its largest in words and its picture; all runs."""
    found: dict[str, dict[str, PlaceErrors]] = {}
    for experiment, runs in suite.all_described.items():
        for key, task in runs[0].tasks.items():
            pairs = (pair for run in runs for pair in _pairs(run, key))
            errors = task.place_errors(pairs)
            if errors is not None:
                found.setdefault(key, {})[experiment] = errors
    return {key: _place_charts(suite.tasks[key].info.names, of_task) for key, of_task in found.items()}


def _place_charts(
    names: Sequence[str], found: Mapping[str, PlaceErrors]
) -> tuple[str, float, list[tuple[str, str, Markup]]]:
    top = max(float(one.errors.nan_to_num(0).max()) for one in found.values())
    charts = []
    for experiment, one in found.items():
        worst = int(one.errors.nan_to_num(0).argmax())
        words = f"most at {names[worst]}: {100 * one.errors[worst]:.1f} %"
        charts.append((experiment, words, place_chart(names, one.places.numpy(), one.errors.numpy(), top)))
    return next(iter(found.values())).unit, top, charts


def _pairs(run: RunResult, key: str) -> Iterator[tuple[Tensor, Target]]:
    """Predictions and targets that a run has saved."""
    for name in run.predictions.names("truth", key):
        prediction, target = run.prediction(key, name), run.target(key, name)
        if prediction is not None and target is not None:
            yield prediction, target


def _by_class(suite: SuiteResults) -> dict[str, list[tuple[str, ClassCounts]]]:
    """Task to each experiment's counts of its classes, over all its runs."""
    found: dict[str, list[tuple[str, ClassCounts]]] = {}
    for experiment, runs in suite.finished.items():
        for key in dict.fromkeys(key for run in runs for key in run.by_class):
            counts = total([run.by_class[key] for run in runs if key in run.by_class])
            found.setdefault(key, []).append((experiment, counts))
    return found


def _cost(name: str, runs: Sequence[RunResult]) -> dict[str, Any]:
    """Means over the runs of one experiment."""
    keys = ("seconds", "images_per_second", "peak_memory_mib", "parameters", "epochs", "best_epoch")
    known = {key: [run.result[key] for run in runs if run.result.get(key) is not None] for key in keys}
    means = {key: float(np.mean(values)) if values else None for key, values in known.items()}
    return means | {"experiment": name, "runs": len(runs), "total": sum(known["seconds"])}


def _cost_factors(
    costs: Sequence[Mapping[str, Any]], baseline: str
) -> dict[str, tuple[float | None, float | None]]:
    """Each experiment's time and memory as multiples of the baseline's."""
    keys = ("seconds", "peak_memory_mib")
    base = next((cost for cost in costs if cost["experiment"] == baseline), dict.fromkeys(keys))
    return {
        cost["experiment"]: tuple(cost[key] / base[key] if cost[key] and base[key] else None for key in keys)
        for cost in costs
    }


def _best_first(found: Mapping[str, Gain]) -> dict[str, Gain]:
    values = {name: gain.value if math.isfinite(gain.value) else -math.inf for name, gain in found.items()}
    return dict(sorted(found.items(), key=lambda item: -values[item[0]]))


def _families(found: Mapping[str, Gain]) -> list[tuple[Mapping[str, str], list[str]]]:
    """Single-task nets, by task, and the experiments that are compared with them."""
    families: list[tuple[Mapping[str, str], list[str]]] = []
    for name, gain in found.items():
        of_alone = next((names for alone, names in families if alone == gain.alone), None)
        if of_alone is not None:
            of_alone.append(name)
        elif gain.alone:
            families.append((gain.alone, [name]))
    return families


def _alone(suite: SuiteResults, found: Mapping[str, Gain]) -> Mapping[str, str]:
    """Task to the single-task net that pictures show: the baseline's, else that of the first experiment with some."""
    known = [gain.alone for name, gain in found.items() if gain.alone]
    return found[suite.baseline].alone if suite.baseline in found else known[0] if known else {}


def _environment(runs: Sequence[RunResult]) -> dict[str, str]:
    """What the first run ran on, one line per fact."""
    paths = [path for run in runs if (path := run.folder / "environment.json").exists()]
    try:
        facts = read_json_mapping(paths[0]) if paths else {}
    except CnnlibError as error:
        facts = {"environment.json": str(error)}
    groups = [value if isinstance(value, Mapping) else {key: value} for key, value in facts.items()]
    return {name: str(value) for group in groups for name, value in group.items()}
