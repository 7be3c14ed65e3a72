"""``tools/lineage.py``: what it prints, how wide, and how it ends."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from cnnlib.reporting.lineage_tree import print_lineage
from cnnlib.reporting.read_lineage import read_lineage
from tests.reporting.fake_family import VERSIONS, Version, write_family
from tests.reporting.fake_suite import fail
from tools import lineage as tool


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family(tmp_path_factory.mktemp("runs") / "detector_journal")


def printed(folder: Path, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    print_lineage(read_lineage(folder), console=console)
    return console.file.getvalue().splitlines()


def starts(lines: list[str]) -> dict[str, int]:
    """Experiment to the column that its name starts in, in the order of the lines."""
    found = [re.match(r"[│├└─ ]*[├└]── (\w+)", line) for line in lines]
    return {match[1]: match.start(1) for match in found if match}


def test_the_tree_of_the_journal(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tool.main([str(journal)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "detector_journal"
    columns = starts(lines)
    assert list(columns) == list(VERSIONS)
    for name, version in VERSIONS.items():
        assert columns[name] == (columns[version.start] + 4 if version.start else 4)
    text = "\n".join(lines)
    assert re.search(r"v5  mask/iou 0\.7140 ± 0\.\d{4}  better: 0\.3130 above v4 \(", text)
    assert "from scratch; changed since v4" in text
    assert "takes over weights, heads and optimizer state of v8" in text
    assert "- learning rate 0.0001 -> 0.01" in text
    assert all(line == line.rstrip() for line in lines)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_it_fits_any_terminal(journal: Path, width: int) -> None:
    lines = printed(journal, width)
    assert max(map(len, lines)) <= width
    assert starts(lines).keys() == VERSIONS.keys() | ({"see"} if width == 40 else set())


def test_a_long_chain_goes_on_below(tmp_path: Path) -> None:
    """Thirty levels would leave no columns for words."""
    chain = {f"v{index}": Version(0.5, f"v{index - 1}" if index else None) for index in range(30)}
    lines = printed(write_family(tmp_path / "chain", chain, seeds=(0,), images=4), 80)
    assert list(starts(lines)) == ["v0", *(f"v{index}" for index in range(1, 9)), "see", *list(chain)[9:]]
    assert "v8, continued" in lines
    assert max(map(len, lines)) <= 80
    words = " ".join(re.sub("[│├└─]", "", " ".join(lines)).split())
    assert words.count("takes over weights and heads of") == 29


def test_one_metric_alone(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A step that is not tested has no verdict."""
    assert tool.main([str(journal), "--metric", "mask/dice"]) == 0
    text = capsys.readouterr().out
    assert "mask/iou" not in text
    assert re.search(r"v5  mask/dice 0\.\d{4} ± 0\.\d{4}  0\.\d{4} above v4$", text, re.MULTILINE)


def test_several_tasks_take_a_line_each(tmp_path: Path) -> None:
    family = {"a": Version(0.5), "b": Version(0.6, "a")}
    text = "\n".join(printed(write_family(tmp_path / "s", family, tasks=("mask", "depth"), images=8), 120))
    assert re.search(r"^└── a\n      mask/iou .*\n      depth/mae ", text, re.MULTILINE)
    assert re.search(r"depth/mae .* error than a", text)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    folder = write_family(tmp_path / "s", {"a": Version(0.5), "b": Version(0.6, "a")}, seeds=(0, 1), images=4)
    fail(folder, "a", 1, "TrainingDivergedError: loss is NaN")
    lines = printed(folder, 120)
    assert "not shown: s/a, seed 1, failed" in lines


def test_square_brackets_are_no_markup(tmp_path: Path) -> None:
    config = {"dataset": {"name": "scenes", "size": "[red]"}}
    folder = write_family(
        tmp_path / "s", {"a": Version(0.5), "b": Version(0.6, "a", config)}, seeds=(0,), images=4
    )
    assert any("[red]" in line for line in printed(folder, 120))


def test_bad_input_ends_with_2_and_says_what_to_do(journal: Path, tmp_path: Path, capsys) -> None:
    for arguments, words in (
        ([str(tmp_path / "nowhere")], "no suite.yaml in it"),
        ([str(tmp_path)], "give a suite's folder, or runs"),
        ([str(journal), "--metric", "mask/iuo"], "did you mean 'mask/iou'?"),
    ):
        assert tool.main(arguments) == 2
        output = capsys.readouterr()
        assert output.out == ""
        assert output.err.startswith("error: ")
        assert words in output.err


def test_a_suite_that_has_not_run_ends_with_2(tmp_path: Path, capsys) -> None:
    folder = write_family(tmp_path / "s", {"a": Version(0.5)}, seeds=(0,), images=4)
    fail(folder, "a", 0, "x")
    assert tool.main([str(folder)]) == 2
    assert "no run has finished" in capsys.readouterr().err


def test_a_damaged_file_is_named(tmp_path: Path, capsys) -> None:
    folder = write_family(tmp_path / "s", {"a": Version(0.5)}, seeds=(0,), images=4)
    (folder / "a" / "seed-0" / "result.json").write_text("{")
    assert tool.main([str(tmp_path)]) == 2
    assert "a/seed-0/result.json: not valid JSON" in capsys.readouterr().err
