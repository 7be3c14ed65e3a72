"""Weights and conflicts of tasks on the page, read back from its SVG and words."""

from __future__ import annotations

import re
import shutil
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from cnnlib.reporting.html import render
from cnnlib.reporting.results import read_suite
from tests.reporting.fake_suite import add_history, write_suite
from tests.reporting.test_html import Page

EPOCHS = 9
EXPERIMENTS = ("equal", "uncertainty", "mgda")
RISING = np.linspace(0.2, 1.0, EPOCHS)
COSINE = np.array([0.3, 0.1, -0.1, -0.2, -0.1, -0.3, -0.1, -0.2, -0.1])  # below 0 in 7 of 9


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    experiments = dict.fromkeys(EXPERIMENTS, 0.0)
    folder = tmp_path_factory.mktemp("runs") / "s"
    return write_suite(folder, experiments=experiments, seeds=(0, 1), images=3, size=8, epochs=EPOCHS)


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "s"))


def weigh(folder: Path, experiment: str, seeds: tuple[int, ...] = (0, 1), **tasks: np.ndarray) -> None:
    """Logs weights, under the second seed larger ones by 0.1."""
    for seed in seeds:
        columns = {f"weighting/{task}": values + 0.1 * seed for task, values in tasks.items()}
        add_history(folder, experiment, seed, columns)


def section(folder: Path) -> str:
    page = render(read_suite(folder))
    Page(page)  # its tags close in order
    found = re.search(r'<section id="weightings">.*?</section>', page, re.DOTALL)
    return found[0] if found else ""


def text(folder: Path) -> str:
    return Page(section(folder)).text.replace("\xa0", " ")


def charts(folder: Path, kind: str = "") -> dict[str, ElementTree.Element]:
    """Experiment to its chart; ``kind`` is the further class of their group."""
    figures = ElementTree.fromstring(section(folder)).findall(f"div[@class='charts small{kind}']/figure")
    return {figure.find("figcaption/b").text: figure.find("svg") for figure in figures}


def values(chart: ElementTree.Element, mark: str, path: str = "line") -> np.ndarray:
    """What a path shows, (points, 2), epoch and value, by the numbers at the axes."""
    grid, labels = chart.findall("line"), chart.findall("text")
    y = [float(line.get("y1")) for line in grid]
    up = np.polyfit(y, [float(label.text) for label in labels[: len(y)]], 1)
    x, epochs = zip(*((float(one.get("x")), float(one.text)) for one in labels[len(y) : -1]), strict=True)
    along = np.polyfit(x, epochs, 1)
    inner = chart.find("svg")
    data = inner.find(f"g[@class='series {mark}']/path[@class='{path}']").get("d")
    points = np.array([pair.split(",") for pair in re.findall(r"[-\d.]+,[-\d.]+", data)], float)
    points += float(inner.get("x")), float(inner.get("y"))
    return np.stack([np.polyval(along, points[:, 0]), np.polyval(up, points[:, 1])], axis=1)


def test_the_shares_of_weights_are_drawn_where_their_numbers_are(folder: Path) -> None:
    """Three times the weights are the same shares."""
    for seed, factor in ((0, 1.0), (1, 3.0)):
        shift = 0.1 * seed
        columns = {"mask": RISING / 2 + shift, "depth": 1 - RISING / 2 - shift}
        add_history(
            folder, "uncertainty", seed, {f"weighting/{task}": factor * one for task, one in columns.items()}
        )
    chart = charts(folder)["uncertainty"]
    for mark, task, shift in (("t0", RISING / 2, 0.1), ("t1", 1 - RISING / 2, -0.1)):
        line, band = values(chart, mark), values(chart, mark, "band")
        np.testing.assert_allclose(line[:, 0], np.arange(1, EPOCHS + 1), atol=0.05)
        np.testing.assert_allclose(line[:, 1], task + shift / 2, atol=0.01)
        np.testing.assert_allclose(band[:EPOCHS, 1], task + max(shift, 0), atol=0.01)
        np.testing.assert_allclose(band[EPOCHS:, 1], task[::-1] + min(shift, 0), atol=0.01)
    titles = [title.text for title in chart.iter("title")]
    assert titles == ["mask", "depth"]
    assert "has a gap" not in text(folder)
    assert "below 0" not in text(folder)


def test_weights_of_any_size_can_be_read_side_by_side(folder: Path) -> None:
    weigh(folder, "uncertainty", seeds=(0,), mask=1e-6 * RISING, depth=1e-6 + 0 * RISING)
    weigh(folder, "mgda", seeds=(0,), mask=0 * RISING, depth=1e6 * RISING)
    weigh(folder, "equal", seeds=(0,), mask=1 - RISING, depth=RISING)
    both = charts(folder)
    np.testing.assert_allclose(values(both["uncertainty"], "t0")[:, 1], RISING / (1 + RISING), atol=0.01)
    assert "mgda" not in both  # all its weight is the depth's, throughout
    np.testing.assert_allclose(values(both["equal"], "t1")[:, 1], RISING, atol=0.01)


def test_a_weight_below_0_is_a_share_below_0(folder: Path) -> None:
    weigh(folder, "uncertainty", seeds=(0,), mask=-RISING, depth=1 + 0 * RISING)
    shown = values(charts(folder)["uncertainty"], "t0")[:, 1]
    np.testing.assert_allclose(shown, -RISING / (1 + RISING), atol=0.02)
    assert "A weight below 0 goes against its task" in text(folder)


def test_constant_weights_are_named_and_not_drawn(folder: Path) -> None:
    third = np.full(EPOCHS, 1 / 3)
    weigh(folder, "equal", seeds=(0,), mask=third, depth=third + 1e-16)
    weigh(folder, "uncertainty", mask=RISING, depth=third)
    assert list(charts(folder)) == ["uncertainty"]
    assert "Not drawn, because their shares are constant: equal." in text(folder)


def test_weights_that_differ_between_seeds_alone_are_not_constant(folder: Path) -> None:
    for seed in (0, 1):
        weigh(folder, "equal", seeds=(seed,), mask=np.full(EPOCHS, 1.0 + seed), depth=np.ones(EPOCHS))
    assert list(charts(folder)) == ["equal"]


def test_a_suite_of_constant_weights_has_no_such_section(folder: Path) -> None:
    assert not section(folder)
    weigh(folder, "equal", seeds=(0,), mask=np.ones(EPOCHS), depth=np.full(EPOCHS, np.nan))
    assert not section(folder)


def test_epochs_without_a_task_are_a_gap(folder: Path) -> None:
    weights = np.where(np.arange(EPOCHS) == 4, np.nan, RISING)
    weigh(folder, "uncertainty", mask=weights, depth=np.full(EPOCHS, np.nan), normals=2 - weights)
    chart = charts(folder)["uncertainty"]
    shown = values(chart, "t0")
    np.testing.assert_allclose(shown[:, 0], [1, 2, 3, 4, 6, 7, 8, 9], atol=0.05)
    assert chart.find(".//g[@class='series t0']/path[@class='line']").get("d").count("M") == 2
    assert chart.find(".//g[@class='series t1']/path[@class='line']").get("d") == ""
    assert "has a gap" in text(folder)


def test_a_task_has_one_colour_in_all_charts(folder: Path) -> None:
    weigh(folder, "uncertainty", mask=RISING, depth=2 - RISING)
    weigh(folder, "mgda", normals=RISING, depth=2 - RISING)
    found = charts(folder)
    marks = {
        (series.find("title").text, series.get("class"))
        for chart in found.values()
        for series in chart.findall("svg/g")
    }
    assert marks == {("mask", "series t0"), ("depth", "series t1"), ("normals", "series t2")}
    legend = re.search(r'<div class="keys">.*?</div>', section(folder))[0]
    assert re.findall(r'<i class="(t\d)"></i></span>(\w+)', legend) == [
        ("t0", "mask"),
        ("t1", "depth"),
        ("t2", "normals"),
    ]


def conflict(
    folder: Path, experiment: str, pair: str, cosine: np.ndarray, share: np.ndarray | None = None
) -> None:
    columns = {f"weighting/{task}": np.ones(EPOCHS) for task in pair.split("-")}
    columns[f"weighting/cosine/{pair}"] = cosine
    if share is not None:
        columns[f"weighting/conflict/{pair}"] = share
    add_history(folder, experiment, 0, columns)


def test_cosines_are_drawn_between_minus_1_and_1_with_a_line_at_0(folder: Path) -> None:
    conflict(folder, "mgda", "mask-depth", COSINE, np.linspace(0.23, 0.63, EPOCHS))
    chart = charts(folder, " cosines")["mgda"]
    np.testing.assert_allclose(values(chart, "t0")[:, 1], COSINE, atol=0.01)
    assert [label.text for label in chart.findall("text")][:5] == ["-1", "-0.5", "0", "0.5", "1"]
    (zero,) = chart.findall("line[@class='grid zero']")
    assert zero.get("y1") == chart.findall("line")[2].get("y1")
    assert chart.find(".//path[@class='line second t1']").get("d") == chart.find(
        ".//path[@class='line']"
    ).get("d")
    assert "Pull against each other in mask and depth: 43 % of steps, 7 of 9 epochs" in text(folder)
    assert "not drawn" not in text(folder).lower()


UNKNOWN = np.full(EPOCHS, np.nan)


@pytest.mark.parametrize(
    ("cosine", "share", "words"),
    [
        (COSINE, None, "7 of 9 epochs"),
        (0.5 + UNKNOWN, UNKNOWN, "unknown, as they were never in one step"),
        (0.5 - 0 * RISING, 0 * RISING, "no step"),
        (0.5 - 0 * RISING, 0.1 + 0 * RISING, "10 % of steps, none of 9 epochs"),
        (np.where(RISING < 0.25, -0.5, np.nan), UNKNOWN, "1 of 1 epoch"),
    ],
)
def test_conflicts_in_words(folder: Path, cosine: np.ndarray, share: np.ndarray | None, words: str) -> None:
    conflict(folder, "mgda", "mask-depth", cosine, share)
    assert text(folder).endswith(f"Pull against each other in mask and depth: {words}")


def test_a_pair_is_found_in_either_order(folder: Path) -> None:
    """A config whose keys are sorted has its tasks in another order than the one before."""
    conflict(folder, "uncertainty", "mask-depth", COSINE)
    conflict(folder, "mgda", "depth-mask", -COSINE)
    found = charts(folder, " cosines")
    np.testing.assert_allclose(values(found["uncertainty"], "t0")[:, 1], COSINE, atol=0.01)
    np.testing.assert_allclose(values(found["mgda"], "t1")[:, 1], -COSINE, atol=0.01)


def test_of_many_pairs_those_most_in_conflict_are_drawn(folder: Path) -> None:
    pairs = ["-".join(pair) for pair in combinations("abcde", 2)]
    for index, pair in enumerate(pairs):
        conflict(folder, "mgda", pair, COSINE, np.full(EPOCHS, 0.05 * index))
    drawn = [title.text for title in charts(folder, " cosines")["mgda"].iter("title")]
    worst = [pair.replace("-", " and ") for pair in reversed(pairs)]
    assert drawn == worst[:6]
    named = re.findall(r"(\w and \w):", text(folder))
    assert named == worst
    assert "4 more pairs" in text(folder)
    assert "A chart has the 6 pairs that are most in conflict" in text(folder)


def test_tasks_and_experiments_may_be_called_anything(tmp_path: Path) -> None:
    folder = write_suite(
        tmp_path / "s", experiments={"a&b's <i>": 0.0}, seeds=(0,), images=3, size=8, epochs=EPOCHS
    )
    odd = '<script>alert("1")</script>'
    add_history(
        folder,
        "a&b's <i>",
        0,
        {
            f"weighting/{odd}": RISING,
            "weighting/100 %-deep": 2 - RISING,
            f"weighting/cosine/{odd}-100 %-deep": COSINE,
        },
    )
    page = section(folder)
    assert "<script" not in page
    assert "<i>" not in page
    assert text(folder).count(odd) == 1 + 1 + 2  # legend, line, pair: title and words
    assert "a&b's <i>" in text(folder)
