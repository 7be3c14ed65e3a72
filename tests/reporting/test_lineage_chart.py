"""The family tree in the report: every experiment at its score, every line from its parent."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from cnnlib.reporting.html import render
from cnnlib.reporting.lineage_chart import Figure, Line, lineage_figures
from cnnlib.reporting.results import read_suite
from tests.reporting.fake_family import VERSIONS, Version, record_start, write_family
from tests.reporting.fake_suite import fail, write_suite


def figures(folder: Path) -> list[Figure]:
    suite = read_suite(folder)
    return lineage_figures(suite, {name: index for index, name in enumerate(suite.finished)})


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_family(tmp_path_factory.mktemp("runs") / "detector_journal")


@pytest.fixture(scope="module")
def figure(journal: Path) -> Figure:
    (figure,) = figures(journal)
    return figure


def test_every_experiment_stands_at_its_score(figure: Figure) -> None:
    assert [row.title for row in figure.rows] == list(VERSIONS)
    scores = [version.iou for version in VERSIONS.values()]
    line = np.polynomial.Polynomial.fit(scores, [row.x for row in figure.rows], 1)
    assert [row.x for row in figure.rows] == pytest.approx(line(np.array(scores)).tolist(), abs=0.02)
    assert line.deriv()(0) > 0
    for row in figure.rows:
        assert 0 < min(row.seeds) <= row.x <= max(row.seeds) < 100
    assert all(0 < place < 100 for place, _ in figure.ticks)


def test_every_line_leads_from_the_reference_to_the_step(figure: Figure) -> None:
    """Down from the middle of the one row to that of the other, without a gap, and there across."""
    rows = {row.title: (index, row) for index, row in enumerate(figure.rows)}
    for title, (last, row) in rows.items():
        if not row.reference:
            assert title == "v1"
            continue
        first, parent = rows[row.reference]
        kind = "from" if VERSIONS[title].start else "since"
        assert row.reference == (VERSIONS[title].start or list(VERSIONS)[last - 1])
        verdict = row.comparison.verdict.name.lower()
        assert Line(parent.x, 50, row.x, 50, f"{kind} {verdict}") in row.lines
        for index in range(first, last + 1):
            top, bottom = (50 if index == first else 0), (50 if index == last else 100)
            assert Line(parent.x, top, parent.x, bottom, kind) in figure.rows[index].lines


def test_there_is_no_other_line(figure: Figure) -> None:
    across = sum(line.y1 == line.y2 for row in figure.rows for line in row.lines)
    assert across == len(VERSIONS) - 1
    down = sum(line.y1 != line.y2 for row in figure.rows for line in row.lines)
    assert down == sum(1 + (3 - 1 if name == "v8" else 1) for name in VERSIONS if name != "v1")


def test_a_leap_is_seen(figure: Figure) -> None:
    ways = {row.title: abs(row.x - before.x) for before, row in pairwise(figure.rows)}
    assert max(ways, key=ways.get) == "v5"
    assert ways["v5"] > 40


def test_the_page_has_the_section_and_the_words(journal: Path) -> None:
    page = render(read_suite(journal))
    section = page[page.index('<section id="lineage">') :].partition("</section>")[0]
    for index, name in enumerate(VERSIONS):
        assert re.search(rf'<li class="s{index}">.*?<b>{name}</b> 0\.\d{{4}}', section, re.DOTALL)
    assert "changed since v4:" in section
    assert "loss weight of mask 100 →\N{NO-BREAK SPACE}1000" in section
    assert "takes over weights, heads and optimizer state of v8" in section
    assert re.search(r'class="since better".*?class="founder"', section)


def test_without_parents_there_is_no_section(tmp_path: Path) -> None:
    suite = read_suite(write_suite(tmp_path / "s", images=4, seeds=(0,)))
    assert lineage_figures(suite, {}) == []
    assert 'id="lineage"' not in render(suite)


def test_a_suite_without_finished_runs_has_no_section(tmp_path: Path) -> None:
    folder = write_family(tmp_path / "s", {"a": Version(0.5)}, seeds=(0,), images=4)
    fail(folder, "a", 0, "x")
    assert 'id="lineage"' not in render(read_suite(folder))


def test_each_task_has_its_figure(tmp_path: Path) -> None:
    family = {"a": Version(0.5), "b": Version(0.6, "a")}
    found = figures(write_family(tmp_path / "s", family, tasks=("mask", "depth"), seeds=(0, 1), images=4))
    assert [(one.metric, one.higher_is_better) for one in found] == [("mask/iou", True), ("depth/mae", False)]


def test_a_parent_below_its_heir_is_drawn_upwards(tmp_path: Path) -> None:
    folder = write_family(tmp_path / "s", {"b": Version(0.6), "a": Version(0.5)}, seeds=(0,), images=4)
    record_start(folder / "b" / "seed-0", "a")
    (figure,) = figures(folder)
    heir, parent = figure.rows
    assert Line(parent.x, 50, parent.x, 100, "from") in heir.lines
    assert Line(parent.x, 0, parent.x, 50, "from") in parent.lines


def test_ancestors_of_another_suite_come_first(tmp_path: Path) -> None:
    write_family(tmp_path / "old", {"a": Version(0.5)}, seeds=(0,), images=4)
    folder = write_family(tmp_path / "new", {"b": Version(0.6, "../old/a")}, seeds=(0,), images=4)
    (figure,) = figures(folder)
    assert [(row.title, row.index) for row in figure.rows] == [("old/a", None), ("b", 0)]
    assert figure.rows[1].reference == "old/a"
    assert "old/a" in render(read_suite(folder))


def test_what_is_not_defined_has_no_place(tmp_path: Path) -> None:
    folder = write_family(tmp_path / "s", {"a": Version(0.5), "b": Version(0.6, "a")}, seeds=(0,), images=4)
    path = folder / "b" / "seed-0" / "result.json"
    path.write_text(re.sub(r'("mask/iou"): 0\.\d+,', r"\1: null,", path.read_text(), count=1))
    (figure,) = figures(folder)
    assert [row.x is None for row in figure.rows] == [False, True]
    assert figure.rows[1].lines == []
    assert (
        "n/a" in render(read_suite(folder)).partition('<section id="lineage">')[2].partition("</section>")[0]
    )


def test_names_and_words_are_escaped(tmp_path: Path) -> None:
    config = {"dataset": {"name": "scenes", "root": "<script>alert(1)</script>"}}
    folder = write_family(
        tmp_path / "s", {"a": Version(0.5), "b": Version(0.6, "a", config)}, seeds=(0,), images=4
    )
    assert "<script>alert" not in render(read_suite(folder))
