"""Metrics of points against their formulas in NumPy and SciPy."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ecdf
from torch import Tensor

from cnnlib.metrics.points import PointsMetrics

SIZE = (40, 100)
NAMES = ("nose", "left eye", "chin", "right eye", "brow")
EYES = ("left eye", "right eye")


def _measure(
    pred: Tensor,
    target: Tensor,
    valid: Tensor,
    reference: Literal["box"] | tuple[str, str] = "box",
    names: tuple[str, ...] = NAMES,
) -> dict[str, float]:
    metric = PointsMetrics(names[: target.shape[1]], reference)
    metric.update(pred, target, valid, SIZE)
    return metric.compute()


def area_under_curve(errors: list[float], end: float) -> float:
    """SciPy's empirical distribution function is a stair: its integral from 0 to ``end`` is a sum of rectangles."""
    stair = ecdf(errors).cdf
    edges = np.unique(np.clip([0, *stair.quantiles, end], 0, end))
    return (np.diff(edges) * stair.evaluate(edges[:-1])).sum() / end


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), noise=st.floats(0.02, 20), eyes=st.booleans())
def test_numpy_agrees(seed: int, noise: float, eyes: bool) -> None:
    generator = torch.Generator().manual_seed(seed)
    target = 40 * torch.rand(6, 5, 2, generator=generator)
    pred = torch.cat([target + noise * torch.randn(6, 5, 2, generator=generator), torch.rand(6, 5, 1)], 2)
    valid = torch.rand(6, 5, generator=generator) < 0.6
    valid[0] = True
    distances, shares, boxes, images = [], [], [], []
    for p, t, v in zip(pred[..., :2].double().numpy(), target.double().numpy(), valid.numpy(), strict=True):
        distance = np.hypot(*(p - t)[v].T)
        distances.extend(distance)
        box = np.hypot(*np.ptp(t[v], axis=0)) if v.sum() > 1 else 100
        boxes.extend(distance / box)
        if eyes and not (v[1] and v[3]):
            continue
        relative = distance / (np.hypot(*(t[1] - t[3])) if eyes else box)
        shares.extend(relative)
        if len(relative):
            images.append(relative.mean())
    apart = (pred[..., :2].double() - target).norm(dim=-1)
    expected = {
        "error": np.mean(distances),
        "within_0.05": np.mean(np.array(distances) <= 5),
        "within_0.02": np.mean(np.array(distances) <= 2),
        "nme": np.mean(shares),
        "pck": np.mean(np.array(boxes) <= 0.2),
        "pck_0.1": np.mean(np.array(boxes) <= 0.1),
        "auc_0.08": area_under_curve(images, 0.08),
    } | {f"error_{name}": apart[valid[:, i], i].mean().item() for i, name in enumerate(NAMES)}
    measured = _measure(pred, target, valid, EYES if eyes else "box")
    assert measured == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_by_hand() -> None:
    """Points 3, 4 apart in a box with a diagonal of 50; a third point that is not valid is far away."""
    target = torch.tensor([[[0.0, 0], [30, 40], [0, 0]]])
    pred = torch.tensor([[[3.0, 4, 1], [30, 40, 1], [99, 99, 1]]])
    measured = _measure(pred, target, torch.tensor([[True, True, False]]))
    assert math.isnan(measured.pop("error_chin"))
    assert measured == {
        "error": 2.5,
        "within_0.05": 1.0,
        "within_0.02": 0.5,
        "nme": pytest.approx(0.05),
        "pck": 1.0,
        "pck_0.1": 1.0,
        "auc_0.08": pytest.approx(3 / 8),
        "error_nose": 5.0,
        "error_left eye": 0.0,
    }


@pytest.mark.parametrize("valid", [[True, False], [True, True]])
def test_without_an_extent_the_picture_is_the_reference(valid: list[bool]) -> None:
    target = torch.full((1, 2, 2), 10.0)
    measured = _measure(target + torch.tensor([6.0, 8.0]), target, torch.tensor([valid]))
    assert (measured["nme"], measured["pck"], measured["pck_0.1"]) == (pytest.approx(0.1), 1.0, 1.0)
    assert (measured["error"], measured["within_0.05"], measured["auc_0.08"]) == (10.0, 0.0, 0.0)


@pytest.mark.parametrize("known", [[False, True], [True, True]])
def test_without_the_pair_an_image_has_no_part_in_what_needs_it(known: list[bool]) -> None:
    """One eye is not valid, and may hold anything; or both are in one place."""
    target = torch.tensor([[[10.0, 10], [20, 10]], [[10, 10], [10, 10]]])
    target[1, 0].masked_fill_(torch.tensor(not known[0]), math.nan)
    pred = torch.tensor([[[10.0, 10], [20, 11]], [[10, 10], [10, 19]]])
    valid = torch.tensor([[True, True], known])
    metric = PointsMetrics(EYES, EYES)
    metric.update(pred, target, valid, SIZE)
    measured, images = metric.compute(), metric.per_image()
    assert measured["nme"] == pytest.approx(0.05)
    assert measured["auc_0.08"] == pytest.approx(3 / 8)
    assert measured["pck"] == measured["pck_0.1"] == 1  # they need no pair
    assert measured["error_right eye"] == 5
    for name in ("nme", "auc_0.08"):
        assert images[name].isnan().tolist() == [False, True], name


def test_a_single_point_has_no_table_of_points() -> None:
    measured = _measure(torch.ones(1, 1, 2), torch.zeros(1, 1, 2), torch.tensor([[True]]), names=("phone",))
    assert [name for name in measured if name.startswith("error")] == ["error"]


def test_a_prediction_that_is_nan_shows() -> None:
    target = torch.zeros(1, 2, 2)
    measured = _measure(torch.full((1, 2, 2), torch.nan), target, torch.ones(1, 2, dtype=torch.bool))
    for name in ("error", "nme", "error_nose"):
        assert math.isnan(measured[name])
    for name in ("within_0.05", "within_0.02", "pck", "pck_0.1", "auc_0.08"):
        assert measured[name] == 0


def test_each_image_has_its_own_size_and_its_own_values() -> None:
    metric = PointsMetrics(("phone",))
    for size in ((10, 10), (100, 20)):
        metric.update(torch.full((1, 1, 3), 2.0), torch.zeros(1, 1, 2), torch.tensor([[True]]), size)
    assert metric.compute()["within_0.05"] == 0.5
    images = metric.per_image()
    assert images["within_0.05"].tolist() == [0, 1]
    nme = np.array([8**0.5 / 10, 8**0.5 / 100])
    np.testing.assert_allclose(images["nme"], nme)
    np.testing.assert_allclose(images["auc_0.08"], [area_under_curve([each], 0.08) for each in nme])


def test_explanations_say_what_distances_are_divided_by() -> None:
    for reference, words in (("box", "the diagonal of the box"), (EYES, "points left eye and right eye")):
        explanations = PointsMetrics(NAMES, reference).explanations
        assert words in explanations["nme"]
        assert all("the diagonal of the box" in explanations[name] for name in ("pck", "pck_0.1"))
