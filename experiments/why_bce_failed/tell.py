"""Turns the finished suite into the study's table and picture.

python -m experiments.why_bce_failed.tell runs/why_bce_failed
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean, stdev

import matplotlib.pyplot as plt
import numpy as np

from cnnlib.files import write_atomically, write_csv
from cnnlib.reporting.comparison import all_against, compare_suite, differences
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_result import RunResult
from cnnlib.reporting.statistics import holm
from cnnlib.reporting.words import effect_words, verdict_words
from experiments.finished import finished_suite, study_parser

HERE = Path(__file__).parent
LOSSES = ["bce", "dice", "rmse", "l1"]
CONDITIONS = {
    "right": "as it should be",
    "flips": "pictures flipped apart",
    "raw": "raw outputs",
    "journal": "both, as in the journal",
}


def main(arguments: list[str] | None = None) -> int:
    suite = finished_suite(study_parser(__doc__).parse_args(arguments).suite, _names())
    runs = suite.finished
    rows = [
        measure(condition, loss, runs[f"{condition}-{loss}"]) for condition in CONDITIONS for loss in LOSSES
    ]
    for condition, description in CONDITIONS.items():
        print(f"{description}, IoU as measured and of the saved pictures, against l1:")
        for lines in (compare_metric(suite, condition), compare_pictures(runs, condition)):
            print(*lines, sep="\n")
    write_csv(HERE / "table.csv", list(rows[0]), rows)
    write_atomically(HERE / "table.md", as_markdown(rows))
    draw(runs, HERE / "pictures.png")
    return 0


def measure(condition: str, loss: str, runs: Sequence[RunResult]) -> dict[str, object]:
    """What the metric says, and what the saved pictures say, over seeds."""
    metric = [run.test["mask/iou"] for run in runs]
    pictures = [judge_pictures(run) for run in runs]
    row: dict[str, object] = {"condition": condition, "loss": loss, "seeds": len(runs)}
    for key, values in {
        "metric_iou": metric,
        "picture_iou": [iou for iou, _ in pictures],
        "picture_error": [error for _, error in pictures],
    }.items():
        row |= {key: mean(values), f"{key}_std": stdev(values) if len(values) > 1 else None}
    return row


def compare_metric(suite: SuiteResults, condition: str) -> list[str]:
    """The verdicts against L1 within one condition, as measured."""
    names = tuple(f"{condition}-{loss}" for loss in LOSSES)
    runs = tuple(run for run in suite.runs if run.experiment in names)
    alone = replace(suite, experiments=names, runs=runs, baseline=f"{condition}-l1")
    found = compare_suite(alone)["mask/iou"].experiments
    return [
        f"  {name}: {verdict_words(one)}: {effect_words(one)}"
        for name, one in found.items()
        if name != alone.baseline
    ]


def compare_pictures(runs: Mapping[str, Sequence[RunResult]], condition: str) -> list[str]:
    """The differences to L1 within one condition, by the saved pictures, p-values corrected for three."""
    scores = {
        loss: {run.seed: np.array(picture_ious(run)) for run in runs[f"{condition}-{loss}"]}
        for loss in LOSSES
    }
    tests, _ = differences(scores, all_against("l1", scores), planned=len(scores["l1"]))
    corrected = holm([test.p for test in tests.values()])
    return [
        f"  {condition}-{loss}, pictures: {test.value:+.3f} ({test.interval()[0]:+.3f} to {test.interval()[1]:+.3f}), "
        f"p = {p:.2g}"
        for (loss, test), p in zip(tests.items(), corrected, strict=True)
    ]


def picture_ious(run: RunResult) -> list[float]:
    """Of each picture's brighter half; 1 where both it and the truth are empty."""
    found = []
    for name in run.predictions.names("mask"):
        seen, truth = (run.predictions.read(*parts, "mask", name) >= 128 for parts in ((), ("truth",)))
        either = int((seen | truth).sum())
        found.append(int((seen & truth).sum()) / either if either else 1.0)
    return found


def judge_pictures(run: RunResult) -> tuple[float, float]:
    """IoU of the pictures' brighter half against the truth, and their mean grey error (0 to 1).

    This is all that somebody knows who has only the pictures.
    """
    both = either = 0
    errors = []
    for name in run.predictions.names("mask"):
        seen, truth = (run.predictions.read(*parts, "mask", name) for parts in ((), ("truth",)))
        found, wanted = seen >= 128, truth >= 128
        both += int((found & wanted).sum())
        either += int((found | wanted).sum())
        errors.append(np.abs(seen / 255.0 - wanted).mean())
    return both / either, float(np.mean(errors))


def as_markdown(rows: Sequence[dict[str, object]]) -> str:
    lines = [
        "| condition | loss | IoU, as measured | IoU, judged from the saved pictures | grey error of the pictures |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        cells = [
            f"{row[key]:.3f} ± {row[f'{key}_std']:.3f}"
            for key in ("metric_iou", "picture_iou", "picture_error")
        ]
        lines.append(f"| {CONDITIONS[row['condition']]} | {row['loss']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def draw(runs: dict[str, Sequence[RunResult]], path: Path) -> None:
    """The saved pictures of one scene, first seed: one row per condition, one column per loss.

    The scene is the one whose IoU under the right conditions (BCE) is the median: neither lucky nor unlucky.
    """
    reference = runs["right-bce"][0]
    scores = sorted((score, name) for name, score in reference.per_image["mask/iou"].items())
    name = scores[len(scores) // 2][1]
    figure, axes = plt.subplots(
        len(CONDITIONS), 2 + len(LOSSES), figsize=(11, 8), layout="constrained", squeeze=False
    )
    given = [("input", "fg_bg"), ("truth", "mask")]
    for row, (condition, description) in enumerate(CONDITIONS.items()):
        for column, parts in enumerate(given):
            show(axes[row, column], reference.predictions.read(*parts, name) if row == 0 else None)
        for column, loss in enumerate(LOSSES, start=len(given)):
            show(axes[row, column], runs[f"{condition}-{loss}"][0].predictions.read("mask", name))
        axes[row, len(given)].set_ylabel(description)
    for axis, title in zip(axes[0], ["picture", "truth", *LOSSES], strict=True):
        axis.set_title(title)
    figure.savefig(path, dpi=100)
    plt.close(figure)


def show(axis: plt.Axes, picture: np.ndarray | None) -> None:
    axis.set(xticks=[], yticks=[])
    axis.set_frame_on(False)
    if picture is not None:
        axis.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")


def _names() -> list[str]:
    return [f"{condition}-{loss}" for condition in CONDITIONS for loss in LOSSES]


if __name__ == "__main__":
    sys.exit(main())
