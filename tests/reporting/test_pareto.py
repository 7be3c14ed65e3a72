"""Which experiments no other beats, and the picture of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import combinations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.reporting.pareto import ParetoFigure, pareto_figures, pareto_front
from tests.reporting.made_suite import suite_of

MEANS = {"a": 0.3, "b": 0.4, "c": 0.5}
VALUES = st.integers(-3, 3).map(float)


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.tuples(VALUES, VALUES)))
def test_the_front_is_what_nothing_dominates(points: dict[str, tuple[float, float]]) -> None:
    def dominated(name: str) -> bool:
        x, y = points[name]
        return any(a >= x and b >= y and (a > x or b > y) for a, b in points.values())

    front = pareto_front(points)
    assert sorted(front) == sorted(name for name in points if not dominated(name))
    assert [points[name][0] for name in front] == sorted(points[name][0] for name in front)


def figures(
    means: Mapping[str, tuple[float, float]], alone: Mapping[str, str] = {}, seeds: int = 3
) -> list[ParetoFigure]:
    jitter = np.linspace(-0.01, 0.01, seeds)[:, None] * np.ones(4)
    tables = {
        metric: {name: pair[index] + jitter for name, pair in means.items()}
        for index, metric in enumerate(("mask/iou", "depth/mae"))
    }
    suite = suite_of(tables)
    return pareto_figures(suite, {name: index for index, name in enumerate(means)}, alone)


def circles(chart: str) -> dict[str, tuple[float, float]]:
    found = re.findall(
        r"<title>(\w+):[^<]*</title>.*?<circle r=\"5\" cx=\"([\d.]+)\" cy=\"([\d.]+)\"", chart, re.S
    )
    return {name: (float(x), float(y)) for name, x, y in found}


def test_better_is_up_and_to_the_right_whatever_the_metric() -> None:
    (figure,) = figures({"a": (0.8, 0.5), "b": (0.9, 0.4), "c": (0.7, 0.3)})
    places = circles(figure.chart)
    assert places["c"][0] < places["a"][0] < places["b"][0]  # IoU
    assert places["a"][1] > places["b"][1] > places["c"][1]  # a smaller error stands higher
    assert (figure.x, figure.y) == ("mask/iou", "depth/mae")
    assert figure.front == ["c", "b"]
    assert figure.chart.count(" dominated") == 1


def test_what_is_far_off_is_named_and_not_drawn() -> None:
    near = {f"n{index}": (0.8 + 0.01 * index, 0.4 + 0.01 * index) for index in range(6)}
    (figure,) = figures(near | {"gone": (0.1, 9.0), "best": (0.82, 0.01)})
    assert figure.outside == ["gone"]
    assert set(circles(figure.chart)) == {*near, "best"}  # what nothing beats is drawn however far it is
    assert "crowded" not in figure.chart
    (figure,) = figures({f"n{index}": (0.8 + 0.01 * index, 0.4) for index in range(9)})
    assert "crowded" in figure.chart


def test_single_task_nets_are_lines_and_names_are_escaped() -> None:
    (figure,) = figures(
        {"a<b": (0.8, 0.5), "b": (0.9, 0.4), "c": (0.7, 0.3), "m": (0.85, 0.45)}, {"mask": "m"}
    )
    assert figure.chart.count('class="alone"') == 1
    assert "a&lt;b" in figure.chart
    assert "a<b" not in figure.chart


def test_one_seed_has_no_interval_and_two_experiments_no_picture() -> None:
    (figure,) = figures({"a": (0.8, 0.5), "b": (0.9, 0.4), "c": (0.7, 0.3)}, seeds=1)
    assert 'class="margin"' not in figure.chart
    assert figures({"a": (0.8, 0.5), "b": (0.9, 0.4)}) == []
    (alike,) = figures({"a": (0.8, 0.5), "b": (0.8, 0.5), "c": (0.8, 0.5)})
    assert sorted(alike.front) == ["a", "b", "c"]


def test_a_name_covers_no_point_and_no_other_name_where_there_is_room() -> None:
    (figure,) = figures(
        {"first": (0.80, 0.40), "second": (0.81, 0.41), "third": (0.83, 0.42), "far": (0.5, 0.3)}
    )
    boxes = []
    found = re.findall(r'class="name" x="([\d.]+)" y="([\d.]+)" text-anchor="(\w+)">(\w+)<', figure.chart)
    for x, y, anchor, name in found:
        left = float(x) - (6.6 * len(name) if anchor == "end" else 0)
        boxes.append((left, left + 6.6 * len(name), float(y) - 10, float(y) + 3))
    boxes += [(x - 5, x + 5, y - 5, y + 5) for x, y in circles(figure.chart).values()]
    assert len(found) == 4
    for one, other in combinations(boxes, 2):
        assert one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]


def test_an_interval_across_the_whole_picture_is_left_out() -> None:
    tables = {
        "mask/iou": {name: mean + np.array([[-1.0], [1.0]]) * np.ones(4) for name, mean in MEANS.items()},
        "depth/mae": {
            name: mean + np.array([[-0.003], [0.003]]) * np.ones(4) for name, mean in MEANS.items()
        },
    }
    (figure,) = pareto_figures(suite_of(tables), {name: index for index, name in enumerate(MEANS)}, {})
    found = re.findall(r'class="margin" x1="([\d.]+)" x2="([\d.]+)"', figure.chart)
    assert len(found) == 3  # those of the depth
    assert all(one == other for one, other in found)
