"""``report.html``: one page that compares a suite's experiments, made from its finished folder alone."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cnnlib import __version__
from cnnlib.files import write_atomically
from cnnlib.reporting.charts import curve_of, histogram, line_chart
from cnnlib.reporting.gallery import Sample, choose_images, draw_samples, mean_scores
from cnnlib.reporting.glossary import explain
from cnnlib.reporting.leaderboard import Leaderboard, number
from cnnlib.reporting.reader import Run, Suite, read_json, read_suite
from cnnlib.tasks.panel import legend

_IMAGES_IN_HISTOGRAM, _PIXELS_AN_IMAGE = 200, 1024


def write_report(folder: Path) -> Path:
    """Writes ``report.html`` into a suite's folder: self-contained, and the same again for the same folder.

    What is not there (failed runs, predictions that were not kept, a file that is missing) is named on the page.

    Raises:
        CnnlibError: ``folder`` holds no suite, or one of its files is damaged.
    """
    path = folder / "report.html"
    write_atomically(path, render(read_suite(folder)))
    return path


def render(suite: Suite) -> str:
    """The page's HTML."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "explain": explain}
    finished = suite.by_experiment()
    indices = {name: index for index, name in enumerate(finished)}
    leaderboard = Leaderboard.of(suite, indices)
    samples, sample_note = _samples(finished, suite, indices)
    return environment.get_template("report.html").render(
        suite=suite,
        version=__version__,
        indices=indices,
        finished=finished,
        seeds=sorted({run.seed for run in suite.runs}),
        facts=_facts(finished),
        leaderboard=leaderboard,
        charts=_charts(finished, suite, indices),
        samples=samples,
        sample_note=sample_note,
        legends=_legends(finished),
        spreads=_score_histograms(finished, suite, indices),
        histograms=_prediction_histograms(finished, indices),
        costs=[_cost(name, runs) for name, runs in finished.items()],
        commands=_commands(suite),
        run_commands={
            f"{run.experiment}, seed {run.seed}": _run_suite(
                suite, f"{run.experiment}/seed-{run.seed}/config.yaml"
            )
            for run in suite.runs
        },
        environment=_environment(suite.runs),
    )


def _facts(finished: Mapping[str, Sequence[Run]]) -> list[str]:
    """What was trained on what, where all experiments share it."""
    runs = [runs[0] for runs in finished.values() if (runs[0].folder / "config.yaml").exists()]
    facts = []
    for section in ("dataset", "model"):
        said = {_flat(run.config.get(section)) for run in runs}
        facts += [f"{section}: {next(iter(said))}"] if len(said) == 1 else []
    epochs = {run.result.get("epochs") for runs in finished.values() for run in runs}
    if len(epochs) == 1 and None not in epochs:
        facts.append(f"epochs: {epochs.pop()}")
    return facts


def _flat(component: Any) -> str:
    if not isinstance(component, Mapping):
        return str(component)
    options = [
        f"{key} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for key, value in component.items()
        if key != "name" and value != "null"
    ]
    return ", ".join([str(component.get("name", "")), *options])


def _charts(
    finished: Mapping[str, Sequence[Run]], suite: Suite, indices: Mapping[str, int]
) -> list[tuple[str, str, Markup]]:
    """Title, what it shows, chart."""
    wanted = {f"val/{metric}": not higher for metric, higher in suite.ranked_by.items()}
    wanted |= {"val/loss": True, "train/loss": True}
    charts = []
    for column, falling in wanted.items():
        curves = [
            curve_of(indices[name], name, own)
            for name, runs in finished.items()
            if (own := [(run.history["epoch"], run.history[column]) for run in runs if column in run.history])
        ]
        if curves:
            losses = "what training makes small" + (
                "; losses of different kinds cannot be compared" if len(curves) > 1 else ""
            )
            note = explain(column) or losses
            charts.append((column, note, line_chart(curves, falling)))
    return charts


def _samples(
    finished: Mapping[str, Sequence[Run]], suite: Suite, indices: Mapping[str, int]
) -> tuple[list[Sample], str]:
    """The nine images, and how they were chosen or why there are none."""
    shown = {
        name: (indices[name], runs[0])
        for name, runs in finished.items()
        if (runs[0].folder / "config.yaml").exists() and len(runs[0].predictions)
    }
    if not shown or not suite.ranked_by:
        return [], "No run has kept its predictions, so there are no pictures to compare."
    metric, higher_is_better = next(iter(suite.ranked_by.items()))
    kept = set.intersection(*(_saved_names(run) for _, run in shown.values()))
    scores = {name: score for name, score in mean_scores(suite.runs, metric).items() if name in kept}
    chosen = choose_images(scores, higher_is_better)
    if not chosen:
        return [], f"No test image was kept by every run and has {metric} in per_image.csv."
    note = f"The best three, three typical and the worst three of {len(scores)} test images by {metric}"
    note += ", averaged over all experiments and seeds. " if len(suite.runs) > 1 else ". "
    left_out = [name for name in finished if name not in shown]
    if left_out:
        note += f"Without saved predictions: {', '.join(left_out)}. "
    return draw_samples(shown, chosen, scores), note


def _saved_names(run: Run) -> set[str]:
    return {name for task in run.tasks for name in run.predictions.names(task)}


def _legends(finished: Mapping[str, Sequence[Run]]) -> dict[str, str]:
    legends = {}
    for runs in finished.values():
        if (runs[0].folder / "config.yaml").exists():
            for name, task in runs[0].tasks.items():
                legends |= {
                    name: legend(type(task).draw, task),
                    f"{name} error": legend(type(task).draw_error, task),
                }
    return {what: text for what, text in legends.items() if text}


def _score_histograms(
    finished: Mapping[str, Sequence[Run]], suite: Suite, indices: Mapping[str, int]
) -> dict[str, list[tuple[str, Markup]]]:
    """Metric to each experiment's histogram over test images, every seed's own value counted."""
    found = {}
    for metric in suite.ranked_by:
        values = {
            name: np.array([value for run in runs for value in run.per_image.get(metric, {}).values()])
            for name, runs in finished.items()
        }
        values = {name: one[np.isfinite(one)] for name, one in values.items() if np.isfinite(one).any()}
        if values:
            span = _range(values.values())
            found[metric] = [
                (name, histogram(indices[name], one, None, span)) for name, one in values.items()
            ]
    return found


def _prediction_histograms(
    finished: Mapping[str, Sequence[Run]], indices: Mapping[str, int]
) -> dict[str, tuple[str, list[tuple[str, Markup]]]]:
    """Task to what is counted and each experiment's histogram, first seed, with the truth's outline."""
    collected: dict[str, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for name, runs in finished.items():
        if not (runs[0].folder / "config.yaml").exists():
            continue
        for task in runs[0].tasks:
            values = _saved_values(runs[0], task)
            if len(values[0]):
                collected.setdefault(task, {})[name] = values
    found = {}
    for task, by_name in collected.items():
        everything = [values for pair in by_name.values() for values in pair]
        binary = all(np.isin(values, (0, 1)).all() for values in everything)
        if binary:  # two bars would say little: count each image's share instead
            by_name = {name: (pair[0].mean(axis=1), pair[1].mean(axis=1)) for name, pair in by_name.items()}
        flat = {name: (pair[0].ravel(), pair[1].ravel()) for name, pair in by_name.items()}
        span = _range([values for pair in flat.values() for values in pair])
        what = (
            "share of the picture that is predicted as foreground, an image each"
            if binary
            else "predicted values"
        )
        found[task] = (what, [(name, histogram(indices[name], *pair, span)) for name, pair in flat.items()])
    return found


def _saved_values(run: Run, key: str) -> tuple[np.ndarray, np.ndarray]:
    """Predictions and truth, (images, pixels) each: evenly spaced pixels of evenly spaced images."""
    names = run.predictions.names(key)
    names = names[:: -(-len(names) // _IMAGES_IN_HISTOGRAM) or 1]
    predicted, true = [], []
    for name in names:
        files = run.predictions.read(key, name), run.predictions.read("truth", key, name)
        if files[0] is None or files[1] is None:
            continue
        for file, values in zip(files, (predicted, true), strict=True):
            pixels = run.tasks[key].from_file(file).numpy().ravel()
            values.append(pixels[np.linspace(0, len(pixels) - 1, _PIXELS_AN_IMAGE).astype(int)])
    return np.array(predicted), np.array(true)


def _range(values: Iterable[np.ndarray]) -> tuple[float, float]:
    """From the smallest to the largest, less the outermost half per cent on each side."""
    together = np.concatenate([one.ravel() for one in values])
    low, high = (float(value) for value in np.quantile(together, (0.005, 0.995)))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _cost(name: str, runs: Sequence[Run]) -> dict[str, Any]:
    """Means over the runs of one experiment."""
    keys = ("seconds", "images_per_second", "peak_memory_mib", "parameters", "epochs", "best_epoch")
    known = {key: [run.result[key] for run in runs if run.result.get(key) is not None] for key in keys}
    means = {key: float(np.mean(values)) if values else None for key, values in known.items()}
    return means | {"experiment": name, "runs": len(runs), "total": sum(known["seconds"])}


def _commands(suite: Suite) -> dict[str, str]:
    """What to call, from the repository's root, to get it again."""
    folder = shlex.quote(_from_root(suite))
    return {
        "the whole suite": _run_suite(suite, "suite.yaml"),
        "this page": f"python tools/report.py {folder}",
        "curves, live": f"tensorboard --logdir {folder}",
    }


def _run_suite(suite: Suite, config: str) -> str:
    return f"python tools/run_suite.py {shlex.quote(f'{_from_root(suite)}/{config}')} --out again"


def _from_root(suite: Suite) -> str:
    """``runs/<suite>``: the page may be read on another machine, where the rest of the path means nothing."""
    folder = suite.folder.resolve()
    return f"{folder.parent.name}/{folder.name}"


def _environment(runs: Sequence[Run]) -> dict[str, str]:
    """What the first run ran on, one line a fact."""
    paths = [path for run in runs if (path := run.folder / "environment.json").exists()]
    facts: dict[str, str] = {}
    for key, value in (read_json(paths[0]) if paths else {}).items():
        if isinstance(value, Mapping):
            facts |= {str(name): str(one) for name, one in value.items()}
        else:
            facts[key] = str(value)
    return facts
