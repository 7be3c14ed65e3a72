"""Charts: what is drawn where."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from cnnlib.reporting.charts import Curve, curve_of, histogram, interval_plot, line_chart

NUMBER = r"-?\d+(?:\.\d+)?"


def curve(values: list[float], index: int = 0, name: str = "a") -> Curve:
    return curve_of(f"s{index}", name, [(np.arange(1, len(values) + 1), np.array(values))])


def line_points(chart: str) -> np.ndarray:
    data = ElementTree.fromstring(chart).find(".//path[@class='line']").get("d")
    return np.array([[float(x), float(y)] for x, y in re.findall(rf"({NUMBER}),({NUMBER})", data)])


def test_seeds_become_a_mean_and_a_range() -> None:
    epochs = np.arange(1, 4)
    one = (epochs, np.array([1.0, 2.0, 3.0]))
    stopped_early = (epochs[:2], np.array([3.0, np.nan]))
    found = curve_of("s0", "a", [one, stopped_early])
    np.testing.assert_array_equal(found.mean, [2, 2, 3])
    np.testing.assert_array_equal(found.low, [1, 2, 3])
    np.testing.assert_array_equal(found.high, [3, 2, 3])


def test_a_linear_curve_is_a_straight_rising_line() -> None:
    points = line_points(line_chart([curve([0.1, 0.2, 0.3, 0.4])], falling=False))
    assert np.ptp(np.diff(points[:, 0])) < 0.2  # of a pixel
    assert np.ptp(np.diff(points[:, 1])) < 0.2
    assert np.diff(points[:, 1]).max() < -10  # up the page


def test_a_loss_that_spans_decades_is_drawn_on_a_logarithmic_axis() -> None:
    chart = line_chart([curve([10.0, 1.0, 0.1, 0.01])], falling=True)
    assert np.ptp(np.diff(line_points(chart)[:, 1])) < 0.2
    labels = {text.text for text in ElementTree.fromstring(chart).iter("text")}
    assert {"10", "1", "0.1", "0.01"} <= labels


@pytest.mark.parametrize(
    "values", [[0.5], [np.nan], [0.5, np.nan, 0.7], [0.0, 0.0], [1e-12, 1e9], [-1.0, -2.0]]
)
@pytest.mark.parametrize("falling", [False, True])
def test_odd_curves_can_be_drawn(values: list[float], falling: bool) -> None:
    chart = line_chart([curve(values)], falling)
    ElementTree.fromstring(chart)
    assert "nan" not in chart
    assert "inf" not in chart


def test_a_gap_is_a_gap_in_the_band_too_and_an_epoch_alone_is_a_dot() -> None:
    values = np.array([1.0, 2.0, np.nan, 3.0, np.nan])
    two = curve_of("s0", "a", [(np.arange(1, 6), values), (np.arange(1, 6), values + 1)])
    chart = ElementTree.fromstring(line_chart([two], falling=False))
    band, line = (chart.find(f".//path[@class='{name}']").get("d") for name in ("band", "line"))
    assert [len(part.split("L")) for part in line[1:].split("M")] == [2, 1]
    assert [len(part.split("L")) for part in band[1:].split("M")] == [4, 2]
    assert band.count("Z") == 2
    (dot,) = chart.iter("circle")
    assert f"{float(dot.get('cx')):.1f},{float(dot.get('cy')):.1f}" == line.split("M")[-1]


def test_names_are_escaped() -> None:
    chart = line_chart([curve([1.0, 2.0], name="<script>alert(1)</script>")], falling=True)
    assert "<script>" not in chart
    assert ElementTree.fromstring(chart).find(".//title").text == "<script>alert(1)</script>"


def test_an_interval_stands_where_its_numbers_are() -> None:
    plot = ElementTree.fromstring(interval_plot(3, [0.2, 0.4], 0.3, 0.1, 0.9, (0.0, 1.0)))
    dots = [float(dot.get("cx")) for dot in plot.iter("circle")]
    margin = plot.find("line[@class='margin']")
    mean = float(plot.find("line[@class='mean']").get("x1"))
    assert mean == pytest.approx(sum(dots) / 2, abs=0.1)
    left, right = float(margin.get("x1")), float(margin.get("x2"))
    assert (right - left) / (dots[1] - dots[0]) == pytest.approx(0.8 / 0.2, abs=0.05)


def test_one_seed_is_a_dot() -> None:
    nan = float("nan")
    plot = ElementTree.fromstring(interval_plot(0, [0.2], 0.2, nan, nan, (0.0, 1.0)))
    assert len(list(plot.iter("circle"))) == 1
    assert plot.find("line[@class='margin']") is None


def test_a_histogram_is_as_high_as_numpys() -> None:
    values = np.random.default_rng(0).normal(size=5000)
    plot = ElementTree.fromstring(histogram(0, values, None, (-3.0, 3.0)))
    data = plot.find("path[@class='bars']").get("d")
    drawn = np.array([80 - float(y) for _, y in re.findall(rf"({NUMBER}),({NUMBER})", data)][:64:2])
    counts = np.histogram(values, 32, (-3, 3))[0]
    np.testing.assert_allclose(drawn / drawn.max(), counts / counts.max(), atol=0.002)
