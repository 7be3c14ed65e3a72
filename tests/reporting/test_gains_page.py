"""The page's sections on tasks together and alone, and on one task against another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cnnlib.reporting.html import render
from cnnlib.reporting.multi_task_gain import gains
from cnnlib.reporting.results import read_suite
from cnnlib.reporting.suite_files import write_suite_files
from tests.reporting.fake_alone import train_alone
from tests.reporting.fake_suite import write_suite

ALONE = {"mask_alone": "mask", "depth_alone": "depth"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    experiments = {"equal": 0.4, "best": 0.9, "worst": 0.1} | dict.fromkeys(ALONE, 0.5)
    path = write_suite(tmp_path_factory.mktemp("runs") / "zoo", experiments=experiments, images=12, size=16)
    train_alone(path, ALONE)
    return path


def test_the_table_has_every_gain_best_first(folder: Path) -> None:
    suite = read_suite(folder)
    page = render(suite)
    section = page[page.index('id="together"') : page.index('id="pareto"')]
    rows = re.findall(r'<th scope="row">.*?</span>(\w+)</th>\s*<td[^>]*data-value="([^"]*)"', section, re.S)
    found = gains(suite)
    assert [name for name, _ in rows] == sorted(found, key=lambda name: -found[name].value)
    assert set(found) == {"equal", "best", "worst"}
    for name, value in rows:
        assert float(value) == pytest.approx(found[name].value)
    assert "mask: mask_alone, depth: depth_alone." in section
    assert section.count("1.00 \N{MULTIPLICATION SIGN}") >= 2  # the baseline's own time and memory


def test_the_pictures_have_the_single_task_nets(folder: Path) -> None:
    page = render(read_suite(folder))
    section = page[page.index('id="pareto"') :]
    assert section.count('class="alone"') == 2
    assert section.count('<svg class="pareto"') == 1


def test_all_files_are_written(folder: Path) -> None:
    report = write_suite_files(read_suite(folder))
    assert report.name == "report.html"
    assert {"delta_mtl.csv", "summary.csv"} <= {path.name for path in folder.iterdir()}


def test_without_single_task_nets_there_is_no_table(tmp_path: Path) -> None:
    page = render(read_suite(write_suite(tmp_path / "two", images=6, size=16)))
    assert 'id="together"' not in page
    assert 'id="pareto"' in page
    assert "a net for that task alone" not in page
