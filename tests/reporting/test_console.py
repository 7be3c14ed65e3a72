from __future__ import annotations

import io
import statistics
from pathlib import Path
from typing import Any

from rich.console import Console

from cnnlib.reporting.console import print_results
from cnnlib.reporting.progress import ConsoleProgress
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_result import RunResult, UnfinishedRun
from cnnlib.reporting.tables import HistoryFile


def result(experiment: str, seed: int, iou: float | None) -> dict[str, Any]:
    return {
        "experiment": experiment,
        "seed": seed,
        "status": "finished",
        "seconds": 10.0,
        "images_per_second": 50.0,
        "test": {"mask/iou": iou, "mask/dice": 0.5},
        "constant": {"mask/iou": 0.125, "mask/dice": 0.2},
        "ranked_by": [{"metric": "mask/iou", "higher_is_better": True}],
    }


def printed(results: list[dict[str, Any]]) -> str:
    console, folder = Console(file=io.StringIO(), width=120), Path("runs/zoo")
    runs, failed = [], []
    for one in results:
        identity = folder / one["experiment"] / f"seed-{one['seed']}", one["experiment"], one["seed"]
        if one["status"] == "finished":
            runs.append(RunResult(*identity, one, {}, {}, {}))
        else:
            failed.append(UnfinishedRun(*identity, one["error"]))
    names = tuple(dict.fromkeys(one["experiment"] for one in results))
    seeds = tuple(sorted({one["seed"] for one in results}))
    suite = SuiteResults(folder, "zoo", names[0], names, seeds, tuple(runs), tuple(failed))
    print_results(suite, console)
    return console.file.getvalue()


def row_of(text: str, name: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(f"│ {name} ")]
    return line


def test_the_table_has_mean_and_spread_and_the_constant_predictor() -> None:
    text = printed([result("bce", 0, 0.9), result("bce", 1, 0.8), result("l1", 0, 0.7)])
    assert f"{0.85:.4f} ± {statistics.stdev([0.9, 0.8]):.4f}" in row_of(text, "bce")
    assert "0.7000" in row_of(text, "l1")
    assert "±" not in row_of(text, "l1")
    assert "0.1250" in row_of(text, "(constant)")
    assert "report.html" in text


def test_the_constant_predictor_is_a_range_where_the_data_are_not_the_same() -> None:
    other = result("l1", 0, 0.7) | {"constant": {"mask/iou": 0.3, "mask/dice": None}}
    assert "0.1250 to 0.3000" in row_of(printed([result("bce", 0, 0.9), other]), "(constant)")


def test_many_metrics_are_rows() -> None:
    metrics = {f"task{index}/error": index / 8 for index in range(4)}
    one = result("all", 0, 0.9) | {"test": metrics, "constant": dict.fromkeys(metrics, 0.5)}
    one["ranked_by"] = [{"metric": metric, "higher_is_better": False} for metric in metrics]
    text = printed([one])
    assert [cell.strip() for cell in row_of(text, "task3/error").split("│")[1:4]] == [
        "task3/error",
        "0.3750",
        "0.5000",
    ]
    assert max(map(len, text.splitlines()[:8])) < 80


def test_failures_are_shown_beside_what_finished() -> None:
    failed = {"experiment": "dice", "seed": 3, "status": "failed", "error": "[red] is no markup"}
    text = printed([result("bce", 0, None), failed])
    assert "FAILED  dice seed 3: [red] is no markup" in text
    assert " - " in row_of(text, "bce")


def test_nothing_but_failures_has_no_table() -> None:
    assert "│" not in printed([{"experiment": "dice", "seed": 3, "status": "failed", "error": "x"}])


def test_history_is_complete_after_every_epoch(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    history = HistoryFile(path, [{"epoch": 1, "train/loss": 2.0, "seconds": 1.0}])
    history.log_scalars({"epoch": 2, "train/loss": 1.5, "seconds": 2.0}, 2)
    assert path.read_text().splitlines() == [
        "epoch,seconds,images_per_second,learning_rate,train/loss",
        "1,1.0,,,2.0",
        "2,2.0,,,1.5",
    ]


def test_a_resumed_history_may_have_more_columns_than_it_began_with(tmp_path: Path) -> None:
    path = tmp_path / "metrics.csv"
    history = HistoryFile(path, [{"epoch": 1, "train/loss": 2.0}])
    history.log_scalars({"epoch": 2, "train/loss": 1.5, "val/loss": 1.0}, 2)
    assert path.read_text().splitlines() == [
        "epoch,seconds,images_per_second,learning_rate,train/loss,val/loss",
        "1,,,,2.0,",
        "2,,,,1.5,1.0",
    ]


def test_progress_is_one_line_per_epoch_without_a_terminal() -> None:
    console = Console(file=io.StringIO(), width=40)
    progress = ConsoleProgress("bce seed 0", ["val/mask/iou"], console)
    progress.start(epochs=3, steps=10, done=1)
    progress.steps_done(5, 0.7, 100.0)
    progress.epoch_done({"train/loss": 0.5, "val/mask/iou": 0.75, "images_per_second": 99.6})
    progress.stop()
    expected = "bce seed 0  epoch 2/3  loss 0.5000  val/mask/iou 0.7500  100 images/s"
    assert console.file.getvalue() == expected + "\n"


def test_progress_shows_a_bar_in_a_terminal() -> None:
    console = Console(file=io.StringIO(), width=140, force_terminal=True)
    progress = ConsoleProgress("bce seed 0", ["val/mask/iou"], console)
    progress.start(epochs=2, steps=10, done=1)
    progress.steps_done(5, 0.7, 100.0)
    progress.stop()
    text = console.file.getvalue()
    assert "75 %" in text
    assert "loss 0.7000" in text
    assert "100 images/s" in text


def test_a_run_on_shared_cores_says_so() -> None:
    note = "note: other processes used 48% of the cores"
    assert note in printed([result("bce", 0, 0.9) | {"cores_used_by_others": 0.48}])
    for others in ([0.02], [None], [0.48, 0.48]):  # the runs of a suite may share the cores with each other
        text = printed(
            [result("bce", seed, 0.9) | {"cores_used_by_others": used} for seed, used in enumerate(others)]
        )
        assert "other processes" not in text
