"""Turns the finished suite into the study's table and chart, with what the journal reports beside them.

python -m experiments.detector_versions.tell runs/detector_journal
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

import matplotlib.pyplot as plt

from cnnlib.files import write_atomically, write_csv
from cnnlib.reporting.comparison import Comparison, compare_steps
from cnnlib.reporting.run_result import RunResult
from cnnlib.reporting.summary import Summary, summarise_suite
from cnnlib.reporting.words import effect_words, verdict_words
from experiments.finished import finished_suite, study_parser

HERE = Path(__file__).parent
METRIC = "box/iou"
JOURNAL = {  # what it reports of its validation set, at the epoch of the lowest loss
    "v1": 0.427,
    "v2": 0.425,
    "v3": 0.395,
    "v4": 0.401,
    "v5": 0.714,
    "v6": 0.811,
    "v7": 0.796,
    "v8": 0.838,
    "v9": 0.847,
    "v10": 0.85,
    "v11": 0.847,
}
APART = ("v5_head_first", "v5_stretched", "v5_weight_100", "v5_rate_0.0001", "all_stages")
"""Experiments that the journal has not."""
STEPS = {
    "v2": "v1",
    "v3": "v1",
    "v4": "v3",
    "v5": "v4",
    "v6": "v5",
    "v7": "v6",
    "v8": "v6",
    "v9": "v8",
    "v10": "v9",
    "v11": "v10",
    **dict.fromkeys(APART, "v5"),
}
"""What each is compared with."""


def main(arguments: list[str] | None = None) -> int:
    suite = finished_suite(study_parser(__doc__).parse_args(arguments).suite, (*JOURNAL, *APART))
    compared = compare_steps(suite, STEPS)
    summaries = {each.experiment: each for each in summarise_suite(suite) if each.metric == METRIC}
    rows = [
        row(suite.finished[name], summaries[name], compared.get((METRIC, name)))
        for name in (*JOURNAL, *APART)
    ]
    write_csv(HERE / "table.csv", list(rows[0]), rows)
    write_atomically(HERE / "table.md", as_markdown(rows))
    draw(suite.finished, HERE / "versions.png")
    return 0


def row(runs: Sequence[RunResult], summary: Summary, compared: Comparison | None) -> dict[str, object]:
    """An experiment's scores, and the verdict against the one that it is compared with."""
    name = runs[0].experiment
    return {
        "version": name,
        "journal": JOURNAL.get(name),
        METRIC: summary.mean,
        "low": summary.low,
        "high": summary.high,
        "label/accuracy": mean(run.test["label/accuracy"] for run in runs),
        "epochs": mean(len(run.history["epoch"]) for run in runs),
        "compared_with": STEPS.get(name, ""),
        "verdict": verdict_words(compared) if compared else "",
        "effect": effect_words(compared) if compared else "",
    }


def as_markdown(rows: Sequence[Mapping[str, object]]) -> str:
    lines = [
        f"| version | journal's IoU | {METRIC} (95 % interval) | label/accuracy | epochs | against | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in rows:
        journal = "" if each["journal"] is None else f"{each['journal']:.3f}"
        verdict = f"**{each['verdict']}**: {each['effect']}" if each["verdict"] else ""
        score = f"{each[METRIC]:.3f} ± {(each['high'] - each['low']) / 2:.3f}"
        cells = [
            f"`{each['version']}`",
            journal,
            score,
            f"{each['label/accuracy']:.3f}",
            f"{each['epochs']:.0f}",
        ]
        lines.append(f"| {' | '.join([*cells, str(each['compared_with']), verdict])} |")
    return "\n".join(lines) + "\n"


def draw(runs: Mapping[str, Sequence[RunResult]], path: Path) -> None:
    """Left the versions in their order, right what was taken back of version 5; a dot is a seed."""
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(11, 4), layout="constrained", sharey=True, width_ratios=[2, 1.2]
    )
    for axis, names in ((left, list(JOURNAL)), (right, ["v5", *APART])):
        for place, name in enumerate(names):
            scores = [run.test[METRIC] for run in runs[name]]
            axis.plot([place] * len(scores), scores, "o", color="#1f5fbf", alpha=0.5, mew=0)
            axis.plot(place, mean(scores), "_", color="#1f5fbf", ms=18, mew=2)
            axis.plot(place, runs[name][0].constant[METRIC], "_", color="#888888", ms=18, mew=2)
        axis.set_xticks(range(len(names)), names)
        axis.grid(axis="y", color="#eeeeee")
        axis.spines[["top", "right"]].set_visible(False)
    left.plot(
        range(len(JOURNAL)),
        list(JOURNAL.values()),
        "x--",
        color="#b45309",
        lw=1,
        label="journal (photographs)",
    )
    left.plot([], [], "o", color="#1f5fbf", label="here (scenes), one dot a seed")
    left.plot([], [], "_", color="#888888", ms=12, mew=2, label="the best constant box")
    left.legend(frameon=False, loc="center right")
    left.set_ylabel("box IoU")
    left.set_title("The journal's versions", loc="left")
    right.set_title("Version 5, one thing changed", loc="left")
    right.tick_params(axis="x", rotation=30)
    figure.savefig(path, dpi=100)
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
