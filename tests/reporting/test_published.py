"""Our results beside published ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from cnnlib.config import load_suite
from cnnlib.reporting.published import read_published
from cnnlib.reporting.results import read_suite
from cnnlib.reporting.summary import summarise_suite
from tests.reporting.fake_suite import write_suite
from tools.compare_published import main

TABLES = Path(__file__).parent.parent.parent / "experiments" / "published"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_suite(tmp_path_factory.mktemp("runs") / "suite", images=6, size=16)


def table(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


def test_ours_stand_beside_the_published(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = {(each.metric, each.experiment): each for each in summarise_suite(read_suite(folder))}[
        "mask/iou", "bce"
    ]
    path = table(tmp_path / "t.csv", "experiment,mask/iou\nbce,0.5\nelsewhere,0.25\n")
    assert main([str(folder), "--table", path]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "mask/iou"
    rows = {line.split()[0]: line.split()[1:] for line in lines if line}
    interval = [f"{ours.low:.4f}", "to", f"{ours.high:.4f}"]
    assert rows["bce"] == ["0.5000", f"{ours.mean:.4f}", *interval, "3", f"{ours.mean - 0.5:+.4f}"]
    assert rows["elsewhere"][:2] == ["0.2500", "n/a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("experiment,mask/iuo\nbce,0.5\n", "did you mean 'mask/iou'"),
        ("experiment,mask/iou\nnone,0.5\n", "no experiment of the published ones (none) has finished"),
        ("experiment,mask/iou\nbce,half\n", "'half' is not a number"),
        ("experiment,mask/iou\nbce,nan\n", "mask/iou of bce is nan; a published value is a finite number"),
        ("experiment,mask/iou\nbce,\n", "mask/iou of bce is nan; a published value is a finite number"),
        ("experiment,mask/iou\nbce,0.5\nbce,0.6\n", "one row for each experiment; there are several of bce"),
        ("mask/iou\n0.5\n", "needs a column experiment"),
        ("", "needs a column experiment"),
    ],
)
def test_a_table_that_does_not_fit_is_told(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, expected: str
) -> None:
    assert main([str(folder), "--table", table(tmp_path / "t.csv", text)]) == 2
    assert expected in capsys.readouterr().err


def test_a_suite_without_a_table_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(folder)]) == 2
    assert "suite.csv: no such table of published results" in capsys.readouterr().err


@pytest.mark.parametrize("path", sorted(TABLES.glob("*.csv")), ids=lambda path: path.stem)
def test_the_shipped_tables_can_be_read(path: Path) -> None:
    published = read_published(path)
    suite = load_suite(TABLES.parent.parent / "configs" / f"{path.stem}.yaml")
    for metric, of_metric in published.items():
        for experiment, value in of_metric.items():
            assert metric.partition("/")[0] in suite.experiments[experiment].tasks
            assert value > 0
