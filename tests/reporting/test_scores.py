"""Which images and runs are compared, and in which scale."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.scores import scores_of
from tests.reporting.made_suite import suite_of

RANDOM = np.random.default_rng(0)


def made(**tables: np.ndarray) -> SuiteResults:
    return suite_of({"mask/iou": tables})


def test_shares_stay_as_they_are() -> None:
    table = RANDOM.random((2, 5))
    scores, reasons = scores_of("mask/iou", made(a=table).finished, ratio=False)
    assert not reasons
    assert list(scores["a"]) == [0, 1]
    np.testing.assert_allclose(np.stack(list(scores["a"].values())), table)


def test_the_mean_of_an_errors_scores_is_the_logarithm_of_its_mean() -> None:
    table = RANDOM.random((3, 7))
    table[0, 0] = 0  # one perfect image is no reason not to compare
    scores, _ = scores_of("mask/iou", made(a=table).finished, ratio=True)
    np.testing.assert_allclose([one.mean() for one in scores["a"].values()], np.log(table.mean(axis=1)))


def test_the_scores_of_images_follow_the_delta_method() -> None:
    """Their spread is that of the logarithm of the mean under resampling of the images (bootstrap)."""
    values = RANDOM.gamma(4, size=400)
    scores, _ = scores_of("mask/iou", made(a=values[None]).finished, ratio=True)
    again = np.log(RANDOM.choice(values, (4000, 400)).mean(axis=1))
    assert scores["a"][0].std() / 20 == pytest.approx(again.std(), rel=0.05)


def test_images_of_a_group_count_as_one() -> None:
    table = RANDOM.random((1, 12))
    suite = suite_of({"mask/iou": {"a": table}}, group=4)
    scores, _ = scores_of("mask/iou", suite.finished, ratio=False)
    np.testing.assert_allclose(scores["a"][0], table.reshape(3, 4).mean(axis=1))


def test_an_image_without_a_label_is_left_out_of_all() -> None:
    one, other = RANDOM.random((2, 5)), RANDOM.random((2, 5))
    one[:, 2] = other[:, 2] = np.nan
    scores, reasons = scores_of("mask/iou", made(a=one, b=other).finished, ratio=False)
    assert not reasons
    assert scores["a"][0].shape == scores["b"][1].shape == (4,)


def test_an_experiment_that_is_undefined_where_others_are_not_has_no_scores() -> None:
    """Its mean would be over other images: those that it finds easy, perhaps."""
    one, other = RANDOM.random((2, 5)), RANDOM.random((2, 5))
    other[1, 2:4] = np.nan
    scores, reasons = scores_of("mask/iou", made(a=one, b=other).finished, ratio=False)
    assert list(scores) == ["a"]
    assert reasons == {"b": "undefined on 2 of 5 images under seed 1"}


def test_other_images_are_no_ground_for_comparison() -> None:
    suite = made(a=RANDOM.random((1, 5)), b=RANDOM.random((1, 5)))
    moved = suite.runs[1]
    moved = replace(
        moved,
        per_image={"mask/iou": {f"{name}x": value for name, value in moved.per_image["mask/iou"].items()}},
        groups={f"{name}x": group for name, group in moved.groups.items()},
    )
    scores, reasons = scores_of("mask/iou", {"a": [suite.runs[0]], "b": [moved]}, ratio=False)
    assert not scores
    assert reasons["b"] == "undefined on 5 of 10 images under seed 0"


def test_a_whole_split_that_is_undefined_is_told() -> None:
    suite = made(a=RANDOM.random((2, 5)))
    suite.runs[1].result["test"]["mask/iou"] = None
    assert scores_of("mask/iou", suite.finished, ratio=False)[1] == {
        "a": "undefined on the whole split under seed 1"
    }


def test_a_lost_file_costs_its_run_alone() -> None:
    suite = made(a=RANDOM.random((3, 5)), b=RANDOM.random((1, 5)))
    runs = {
        name: [replace(of_name[0], per_image={}), *of_name[1:]] for name, of_name in suite.finished.items()
    }
    scores, reasons = scores_of("mask/iou", runs, ratio=False)
    assert list(scores["a"]) == [1, 2]
    assert reasons == {"b": "no run has it in per_image.csv"}


@pytest.mark.parametrize("values", [[0.1, -0.2, 0.3], [0.0, 0.0, 0.0]])
def test_a_ratio_needs_errors_above_zero(values: list[float]) -> None:
    suite = made(a=np.array([values]))
    assert "above 0" in scores_of("mask/iou", suite.finished, ratio=True)[1]["a"]
    assert not scores_of("mask/iou", suite.finished, ratio=False)[1]
