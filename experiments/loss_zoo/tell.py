"""Turns a finished zoo suite into the study's table, chart and pictures.

python -m experiments.loss_zoo.tell runs/loss_zoo_mask mask/iou mask/precision mask/recall
python -m experiments.loss_zoo.tell runs/loss_zoo_depth depth/mae depth/delta1 depth/silog
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.ticker import LogLocator, NullLocator

from cnnlib.files import write_atomically, write_csv
from cnnlib.reporting.comparison import Comparison, Verdict, compare_suite
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.summary import Summary, summarise_suite
from cnnlib.reporting.words import effect_words, verdict_words
from experiments.finished import finished_suite, stop, study_parser

HERE = Path(__file__).parent
COLORS = {
    Verdict.BETTER: "#1a7f37",
    Verdict.WORSE: "#b42318",
    Verdict.BASELINE: "#1f5fbf",
    Verdict.EQUAL: "#0e7490",
}


def main(arguments: list[str] | None = None) -> int:
    parser = study_parser(__doc__)
    parser.add_argument("metric", help="what the losses are ranked by, such as mask/iou")
    parser.add_argument("others", nargs="*", help="more metrics for the table")
    options = parser.parse_args(arguments)
    suite = finished_suite(options.suite)
    compared = compare_suite(suite)
    if options.metric not in compared:
        stop(f"{options.suite}: not compared by {options.metric}, but by {', '.join(compared)}")
    task = options.metric.partition("/")[0]
    found = compared[options.metric].experiments
    rows = ranked_rows(suite, found, options.metric, options.others)
    write_csv(HERE / f"{task}.csv", list(rows[0]), rows)
    constant = suite.constant[options.metric]
    write_atomically(HERE / f"{task}.md", as_markdown(rows, found, options.metric, options.others, constant))
    draw_ranking(rows, found, options.metric, HERE / f"{task}.png")
    draw_pictures(suite, task, options.metric, [row["loss"] for row in rows], HERE / f"{task}_pictures.png")
    return 0


def ranked_rows(
    suite: SuiteResults, compared: Mapping[str, Comparison], metric: str, others: Sequence[str]
) -> list[dict[str, object]]:
    """One row per loss, the best first."""
    table: dict[str, dict[str, Summary]] = {}
    for summary in summarise_suite(suite):
        table.setdefault(summary.experiment, {})[summary.metric] = summary
    sign = -1 if suite.ranked_by[metric] else 1
    rows = []
    for name in sorted(table, key=lambda name: sign * table[name][metric].mean):
        own, found = table[name][metric], compared[name]
        effect, low, high = found.effect
        rows.append(
            {
                "loss": name,
                metric: own.mean,
                "low": own.low,
                "high": own.high,
                "verdict": verdict_words(found),
                "effect": effect,
                "effect_low": low,
                "effect_high": high,
                "p": found.p,
                "p_equal": found.p_equal,
                "more_seeds": found.more_seeds,
                **{other: table[name][other].mean for other in others},
                "times the constant predictor": own.mean / suite.constant[metric],
            }
        )
    return rows


def as_markdown(
    rows: Sequence[dict[str, object]],
    compared: Mapping[str, Comparison],
    metric: str,
    others: Sequence[str],
    constant: float,
) -> str:
    columns = ["loss", f"{metric} (95 % interval)", "against the baseline", *others]
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    for row in rows:
        margin = (row["high"] - row["low"]) / 2
        found = compared[row["loss"]]
        verdict = verdict_words(found)
        if found.verdict is not Verdict.BASELINE:
            verdict = f"**{verdict}**: {effect_words(found)}"
        cells = [f"`{row['loss']}`", f"{row[metric]:.4f} ± {margin:.4f}", verdict]
        lines.append(f"| {' | '.join([*cells, *(f'{row[other]:.4f}' for other in others)])} |")
    lines.append(f"| (constant predictor) | {constant:.4f} | |{' |' * len(others)}")
    return "\n".join(lines) + "\n"


def draw_ranking(
    rows: Sequence[dict[str, object]], compared: Mapping[str, Comparison], metric: str, path: Path
) -> None:
    """Means with their intervals, the best on top; the colour is the verdict."""
    figure, axis = plt.subplots(figsize=(7.5, 0.27 * len(rows) + 1), layout="constrained")
    for place, row in enumerate(rows):
        color = COLORS.get(compared[row["loss"]].verdict, "#667085")
        axis.plot([row["low"], row["high"]], [place, place], color=color, linewidth=2, alpha=0.6)
        axis.plot(row[metric], place, "o", color=color, markersize=5)
    axis.set_yticks(range(len(rows)), [row["loss"] for row in rows])
    axis.invert_yaxis()
    legend = "blue: baseline, green: better, red: worse, teal: equal, grey: undecided"
    axis.set_xlabel(f"{metric}, mean and 95 % interval over seeds\n{legend}")
    if max(row[metric] for row in rows) > 4 * min(row[metric] for row in rows):
        axis.set_xscale("log")
        axis.set_xlim(left=0.8 * min(row[metric] for row in rows))  # an interval may reach below 0
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter("{x:g}")
    axis.grid(axis="x", alpha=0.3)
    axis.spines[["top", "right", "left"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def draw_pictures(suite: SuiteResults, task: str, metric: str, losses: Sequence[str], path: Path) -> None:
    """One test image under every loss, first seed: the image of median score under the baseline."""
    runs = suite.finished
    reference = runs[suite.baseline][0]
    scores = sorted(
        (score, name) for name, score in reference.per_image[metric].items() if math.isfinite(score)
    )
    name = scores[len(scores) // 2][1]
    picture, target = reference.picture(name), reference.target(task, name)
    own = reference.tasks[task]
    drawn = {"truth": own.draw(own.as_prediction(target.value), picture, target.valid)}
    drawn |= {loss: own.draw(runs[loss][0].prediction(task, name), picture) for loss in losses}
    tiles = [("picture", picture), *drawn.items()]
    columns = 6
    figure, axes = plt.subplots(
        -(-len(tiles) // columns),
        columns,
        figsize=(11, 2.05 * -(-len(tiles) // columns)),
        layout="constrained",
    )
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (title, tile) in zip(axes.flat, tiles, strict=False):
        axis.imshow(tile.permute(1, 2, 0), interpolation="nearest")
        axis.set_title(title, fontsize=9)
    figure.savefig(path, dpi=90)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
