"""Turns the finished suite into the study's table and chart.

python -m experiments.weighting_zoo.tell runs/weighting_zoo
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean

import matplotlib.pyplot as plt

from cnnlib.files import write_atomically, write_csv
from cnnlib.reporting.multi_task_gain import Gain, gains
from cnnlib.reporting.run_result import RunResult
from cnnlib.reporting.words import effect_words, verdict_words
from experiments.finished import finished_suite, stop, study_parser

HERE = Path(__file__).parent
COSINES = "weighting/cosine/"
"""Columns of metrics.csv: the cosine of two tasks' gradients, mean over an epoch's steps."""


def main(arguments: list[str] | None = None) -> int:
    suite = finished_suite(study_parser(__doc__).parse_args(arguments).suite)
    found = gains(suite)
    if suite.unfinished or suite.baseline not in found:
        stop(f"{suite.folder}: some runs have not finished")
    order = sorted(found, key=lambda name: -found[name].value)
    base = suite.finished[suite.baseline]
    rows = [row(name, found[name], suite.finished[name], base) for name in order]
    write_csv(HERE / "table.csv", list(rows[0]), rows)
    write_atomically(HERE / "table.md", as_markdown(rows, list(found[suite.baseline].of_tasks)))
    draw(order, found, rows, suite.baseline, HERE / "gains.png")
    print(*cosine_lines(suite.finished), sep="\n")
    return 0


def row(name: str, gain: Gain, runs: Sequence[RunResult], base: Sequence[RunResult]) -> dict[str, object]:
    """delta_mtl, its verdicts, each task's part, and the memory as a multiple of the baseline's.

    Time is not told: what else a machine does changes it more than the weightings do. The dry run measures it.
    """
    alone, over = gain.against_alone, gain.against_baseline
    memory = fmean(run.result["peak_memory_mib"] for run in runs)
    return {
        "weighting": name,
        "delta_mtl": gain.value,
        "low": alone.effect[1],
        "high": alone.effect[2],
        "against_alone": verdict_words(alone),
        "against_equal": verdict_words(over),
        "over_equal": effect_words(over) if over.difference else "",
        "p": over.p_of_verdict if over.difference else "",
        **gain.of_tasks,
        "memory": memory / fmean(run.result["peak_memory_mib"] for run in base),
    }


def as_markdown(rows: Sequence[Mapping[str, object]], tasks: Sequence[str]) -> str:
    heads = ["weighting", "delta_mtl (95 % interval)", "against equal weights", *tasks, "memory"]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    for each in rows:
        interval = f"({100 * each['low']:+.1f} to {100 * each['high']:+.1f})"
        verdict = f"**{each['against_equal']}** {each['over_equal']}".strip()
        parts = [f"{100 * each[task]:+.1f}" for task in tasks]
        cells = [
            f"`{each['weighting']}`",
            f"{100 * each['delta_mtl']:+.1f} % {interval}",
            verdict,
            *parts,
            f"{each['memory']:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(
    order: Sequence[str],
    found: Mapping[str, Gain],
    rows: Sequence[Mapping[str, object]],
    baseline: str,
    path: Path,
) -> None:
    """delta_mtl and the tasks' parts, best on top."""
    figure, axis = plt.subplots(figsize=(9, 0.32 * len(order) + 1.2), layout="constrained")
    places = range(len(order))[::-1]
    tasks = list(found[baseline].of_tasks)
    colors = dict(zip(tasks, ("#d9622b", "#2a9d5c", "#b23aa7", "#b98900"), strict=False))
    for place, name, each in zip(places, order, rows, strict=True):
        value, low, high = (100 * each[key] for key in ("delta_mtl", "low", "high"))
        axis.plot([low, high], [place, place], "-", color="#1f5fbf", lw=2)
        axis.plot(value, place, "o", color="#1f5fbf", ms=7)
        for task, part in found[name].of_tasks.items():
            axis.plot(100 * part, place, ".", color=colors[task], alpha=0.7)
    axis.axvline(100 * found[baseline].value, color="#1f5fbf", lw=1, ls=":")
    axis.axvline(0, color="#555555", lw=1)
    axis.set_yticks(list(places), order)
    axis.set_xlabel("gain over single-task nets, %: delta_mtl with its 95 % interval; small dots: the tasks")
    axis.plot([], [], "o-", color="#1f5fbf", label="delta_mtl")
    for task in tasks:
        axis.plot([], [], ".", color=colors[task], label=task)
    axis.legend(frameon=False, loc="upper left")
    axis.grid(axis="x", color="#eeeeee")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def cosine_lines(runs: Mapping[str, Sequence[RunResult]]) -> list[str]:
    """Pair of tasks to the mean cosine of their gradients over all epochs, and its lowest epoch, of all runs."""
    found: dict[str, list[float]] = {}
    for of_name in runs.values():
        for run in of_name:
            for column, values in run.history.items():
                if column.startswith(COSINES):
                    found.setdefault(column.removeprefix(COSINES), []).extend(values.tolist())
    return [
        f"{pair}: mean cosine {fmean(known):+.3f}, lowest epoch {min(known):+.3f}"
        for pair, values in found.items()
        if (known := [value for value in values if math.isfinite(value)])
    ]


if __name__ == "__main__":
    sys.exit(main())
