"""The words for a comparison, in each of its cases."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cnnlib.reporting.comparison import Comparison, Verdict
from cnnlib.reporting.noise import Noise
from cnnlib.reporting.statistics import Difference
from cnnlib.reporting.words import duration, effect_words, margin_words, plan_words, step_words, verdict_words


def of_difference(value: float, margin_of_error: float, **options: Any) -> Comparison:
    """With a 95 % interval of ``value`` plus and minus ``margin_of_error``."""
    error = margin_of_error / stats.norm.isf(0.025)
    options = {"verdict": Verdict.BETTER, "margin": 0.01} | options
    return Comparison(difference=Difference(value, Noise(np.array([error**2])), 3, 100), **options)


def of_ratio(ratio: float, times: float, **options: Any) -> Comparison:
    """With a 95 % interval from ``ratio / times`` to ``ratio * times``."""
    return of_difference(
        math.log(ratio), math.log(times), **{"ratio": True, "margin": 0.05, "p_equal": 0.5} | options
    )


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"verdict": Verdict.BASELINE}, "baseline"),
        ({"verdict": Verdict.BETTER, "p_equal": 0.3}, "better"),
        ({"verdict": Verdict.WORSE, "p_equal": 0.3}, "worse"),
        ({"verdict": Verdict.WORSE, "p_equal": 0.01}, "worse, by less than 5 %"),
        ({"verdict": Verdict.BETTER, "p_equal": 0.01, "ratio": False, "margin": 0.01}, "better, by less than 0.01"),
        ({"verdict": Verdict.EQUAL, "p_equal": 0.01}, "equal within 5 %"),
        ({"verdict": Verdict.EQUAL, "p_equal": 0.01, "margin": 0.125}, "equal within 12.5 %"),
        ({"verdict": Verdict.EQUAL, "ratio": False, "margin": 0.01}, "equal within 0.01"),
        ({"verdict": Verdict.UNDECIDED}, "undecided"),
        ({"verdict": Verdict.UNCLEAR}, "unclear"),
        ({"verdict": Verdict.NOT_COMPARED}, "not compared"),
        ({"verdict": Verdict.BETTER, "one_run": True}, "better (this training run only)"),
        ({"verdict": Verdict.WORSE, "one_run": True, "p_equal": 0}, "worse, by less than 5 % (this training run only)"),
        ({"verdict": Verdict.EQUAL, "one_run": True}, "equal within 5 % (this training run only)"),
        ({"verdict": Verdict.UNDECIDED, "one_run": True}, "undecided"),
        ({"verdict": Verdict.NOT_COMPARED, "one_run": True}, "not compared"),
    ],
)  # fmt: skip
def test_verdicts(options: dict[str, Any], words: str) -> None:
    assert verdict_words(Comparison(**{"ratio": True, "margin": 0.05} | options)) == words


@pytest.mark.parametrize(
    ("margin", "ratio", "words"),
    [(0.01, False, "0.01"), (0.0025, False, "0.0025"), (0.05, True, "5 %"), (0.001, True, "0.1 %")],
)
def test_margins(margin: float, ratio: bool, words: str) -> None:
    assert margin_words(Comparison(Verdict.EQUAL, margin=margin, ratio=ratio)) == words


@pytest.mark.parametrize(
    ("ratio", "times", "words"),
    [
        (5.4, 3.35, "5.4 times l1's error (1.6 to 18)"),
        (0.31, 2.0, "0.31 times l1's error (0.15 to 0.62)"),
        (150.0, 1.1, "150 times l1's error (136 to 165)"),
        (0.89, 1.07, "11 % less error than l1 (-17 % to -4.8 %)"),
        (1.25, 1.28, "25 % more error than l1 (-2.3 % to +60 %)"),
        (1.004, 1.01, "0.4 % more error than l1 (-0.6 % to +1.4 %)"),
        (1.0, 1.2, "0.0 % more error than l1 (-17 % to +20 %)"),
    ],
)
def test_ratios_of_errors(ratio: float, times: float, words: str) -> None:
    """Percent near the baseline, times far from it; whole percents from 10 on."""
    assert effect_words(of_ratio(ratio, times), "l1") == words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.0123, "0.0123 above bce (+0.0023 to +0.0223)"),
        (-0.0123, "0.0123 below bce (-0.0223 to -0.0023)"),
        (0.0, "0.0000 above bce (-0.0100 to +0.0100)"),
    ],
)
def test_differences_of_shares(value: float, words: str) -> None:
    assert effect_words(of_difference(value, 0.01), "bce") == words


@pytest.mark.parametrize(
    ("logarithm", "words"),
    [(800.0, "over 1000 times the error"), (-800.0, "under 1/1000 times the error")],
)
def test_ratios_beyond_all_measure(logarithm: float, words: str) -> None:
    """A run that diverged almost: no overflow, and no number that nobody can read."""
    assert effect_words(of_difference(logarithm, 1.0, ratio=True, margin=0.05)).startswith(words)
    assert "over 100000 %" in effect_words(of_difference(0.1, 800.0, ratio=True, margin=0.05))


def test_the_baseline_may_go_without_saying() -> None:
    assert effect_words(of_ratio(5.4, 3.35)) == "5.4 times the error (1.6 to 18)"
    assert effect_words(of_ratio(0.89, 1.07)) == "11 % less error (-17 % to -4.8 %)"
    assert effect_words(of_difference(0.0123, 0.01)) == "0.0123 higher (+0.0023 to +0.0223)"
    assert effect_words(of_difference(-0.0123, 0.01)) == "0.0123 lower (-0.0223 to -0.0023)"


def test_a_step_is_told_with_its_verdict_or_by_its_means_alone() -> None:
    assert step_words(of_difference(0.3, 0.01), 0.3, "v4") == "better: 0.3000 above v4 (+0.2900 to +0.3100)"
    assert step_words(None, 0.3, "v4") == "0.3000 above v4"
    assert step_words(Comparison(Verdict.NOT_COMPARED, reason="one run"), -0.25, "v4") == "0.2500 below v4"
    assert step_words(None, math.nan, "v4") == ""


def test_where_nothing_is_compared_the_reason_is_told() -> None:
    one = Comparison(Verdict.NOT_COMPARED, reason="no run has it in per_image.csv")
    assert effect_words(one, "l1") == "no run has it in per_image.csv"
    assert effect_words(Comparison(Verdict.BASELINE), "l1") == ""


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"more_seeds": 4, "seconds": 180.0}, "about 4 more seeds, 12 min"),
        ({"more_seeds": 1, "seconds": 42.0}, "about 1 more seed, 42 s"),
        ({"more_seeds": 90, "seconds": 600.0}, "about 90 more seeds, 15 h 00 min"),
        ({"more_seeds": None}, "a hundred seeds would not decide it"),
        ({"one_run": True}, "needs several seeds"),
    ],
)
def test_plans(options: dict[str, Any], words: str) -> None:
    assert plan_words(Comparison(Verdict.UNDECIDED, **options)) == words


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.UNDECIDED])
def test_only_the_undecided_has_a_plan(verdict: Verdict) -> None:
    assert plan_words(Comparison(verdict, more_seeds=3, seconds=60.0)) == ""


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "0 s"),
        (99.4, "99 s"),
        (100.0, "2 min"),
        (99 * 60, "99 min"),
        (100 * 60, "1 h 40 min"),
        (3 * 3600 + 59.9 * 60, "4 h 00 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words
