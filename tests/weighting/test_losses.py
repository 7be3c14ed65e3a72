"""The weightings that look at losses alone, and GradNorm: what they come to, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchjd.scalarization import DWA

from cnnlib.types import CnnlibError, TrainingStep
from cnnlib.weighting import (
    FAMO,
    WEIGHTINGS,
    DynamicWeightAverage,
    GeometricLoss,
    GradNorm,
    RandomLossWeighting,
    Uncertainty,
    Weighting,
)
from cnnlib.weighting.learned import LearnedNumbers
from tests.weighting.test_aggregators import Rows

POSITIVE = st.floats(1e-3, 1e3)


def step_of(losses: Mapping[str, float], index: int = 0, epoch: int = 1, **facts: object) -> TrainingStep:
    return TrainingStep(3, epoch, index, tuple(losses), losses, **facts)


def test_uncertainty_ends_at_the_logarithms_of_the_losses() -> None:
    """Where the losses stay, the sum is least at s = log L: Kendall et al. 2018, equation 7."""
    losses = {"a": 0.05, "b": 4.0}
    weighting = Uncertainty(tuple(losses), learning_rate=0.05)
    for index in range(500):
        weighting.update(step_of(losses, index))
    for name, loss in losses.items():
        assert weighting.log_variances[name] == pytest.approx(math.log(loss), abs=1e-3)
        assert weighting.weights(step_of(losses))[name] == pytest.approx(1 / (2 * loss), rel=1e-3)


@settings(max_examples=30)
@given(
    epochs=st.lists(st.lists(st.tuples(POSITIVE, POSITIVE, POSITIVE), min_size=1, max_size=3), max_size=4),
    temperature=st.floats(0.5, 10),
)
def test_dwa_is_that_of_torchjd(epochs: Sequence[Sequence[tuple[float, ...]]], temperature: float) -> None:
    weighting, other = DynamicWeightAverage("abc", temperature), DWA(temperature)
    for epoch, steps in enumerate(epochs, 1):
        for index, values in enumerate(steps):
            losses = torch.tensor(values, dtype=torch.float64, requires_grad=True)
            (expected,) = torch.autograd.grad(other(losses), losses)
            step = step_of(dict(zip("abc", values, strict=True)), index, epoch)
            assert [*weighting.weights(step).values()] == pytest.approx(expected.tolist())
            weighting.update(step)
        weighting.end_epoch()
        other.step()


def test_a_task_that_dwa_has_not_seen_for_two_epochs_counts_as_one_that_stands_still() -> None:
    weighting = DynamicWeightAverage(("a", "b"))
    for losses in ({"a": 2.0}, {"a": 2.0, "b": 5.0}):
        weighting.update(step_of(losses))
        weighting.end_epoch()
    assert [*weighting.weights(step_of({"a": 1.0, "b": 1.0})).values()] == pytest.approx([1.0, 1.0])
    assert weighting.weights(step_of({"b": 1.0})) == {"b": pytest.approx(1.0)}


def test_random_weights_follow_seed_epoch_and_step_alone() -> None:
    weighting = RandomLossWeighting(("a", "b", "c"))
    steps = [
        TrainingStep(seed, epoch, index, "abc") for seed in (0, 1) for epoch in (1, 2) for index in (0, 1)
    ]
    weights = [weighting.weights(step) for step in steps]
    torch.manual_seed(5)
    assert [weighting.weights(step) for step in reversed(steps)][::-1] == weights
    assert len({tuple(each.values()) for each in weights}) == len(steps)
    assert all(sum(each.values()) == pytest.approx(1) for each in weights)


def test_a_missing_label_moves_no_other_tasks_noise() -> None:
    weighting = RandomLossWeighting(("a", "b", "c"))
    all_three, two = (weighting.weights(TrainingStep(0, 1, 4, tasks)) for tasks in ("abc", "ac"))
    assert two["a"] / two["c"] == pytest.approx(all_three["a"] / all_three["c"])
    assert sum(two.values()) == pytest.approx(1)


def test_random_weights_are_as_normal_noise_makes_them() -> None:
    """The logarithm of the ratio of two is normal with variance 2."""
    weighting = RandomLossWeighting(("a", "b"))
    drawn = [weighting.weights(TrainingStep(0, 1, index, "ab")) for index in range(2000)]
    ratios = torch.tensor([math.log(each["a"] / each["b"]) for each in drawn])
    assert ratios.mean().item() == pytest.approx(0, abs=0.15)
    assert ratios.var().item() == pytest.approx(2, rel=0.15)


@given(st.lists(POSITIVE, min_size=2, max_size=4), POSITIVE)
def test_the_unit_of_a_loss_does_not_matter_to_the_geometric_mean(losses: list[float], unit: float) -> None:
    names = [f"task{index}" for index in range(len(losses))]
    weighting = GeometricLoss(names)
    before = weighting.weights(step_of(dict(zip(names, losses, strict=True))))
    scaled = [losses[0] * unit, *losses[1:]]
    after = weighting.weights(step_of(dict(zip(names, scaled, strict=True))))
    shares = [before[name] * loss for name, loss in zip(names, losses, strict=True)]
    again = [after[name] * loss for name, loss in zip(names, scaled, strict=True)]
    assert max(shares) == pytest.approx(min(shares))
    assert max(again) == pytest.approx(min(again))


@pytest.mark.parametrize("weighting", [GeometricLoss("ab"), FAMO("ab")], ids=["gls", "famo"])
def test_losses_below_0_are_refused(weighting: GeometricLoss | FAMO) -> None:
    name = "gls" if isinstance(weighting, GeometricLoss) else "famo"
    with pytest.raises(
        CnnlibError, match=rf"weighting {name} needs losses of at least 0; that of b is -0\.5"
    ):
        weighting.weights(step_of({"a": 1.0, "b": -0.5}))


@pytest.mark.parametrize("name", ["gls", "famo"])
def test_a_loss_of_0_has_finite_weights(name: str) -> None:
    weighting = WEIGHTINGS[name]("ab")
    weights = weighting.weights(step_of({"a": 1.0, "b": 0.0}))
    assert all(map(math.isfinite, weights.values()))


def test_famo_gives_more_to_what_fell_less() -> None:
    weighting = FAMO("ab", learning_rate=0.1)
    losses = {"a": 2.0, "b": 0.1}
    for index in range(50):
        weighting.update(step_of(losses, index, losses_after={"a": 1.0, "b": 0.099}))
    weights = weighting.weights(step_of(losses))
    assert weights["b"] * losses["b"] > 10 * weights["a"] * losses["a"]
    assert sum(weights.values()) == pytest.approx(1)


def test_gradnorm_makes_the_norms_alike() -> None:
    """Chen et al. 2018, with alpha 0; gradients 100 times apart in length, as in its toy problem."""
    rows = torch.tensor([[1.0, 0.0], [0.0, 100.0]], dtype=torch.float64)
    weighting = GradNorm("ab", alpha=0.0)
    for index in range(400):
        weights = weighting.weights(step_of({"a": 1.0, "b": 1.0}))
        weighted = torch.tensor([*weights.values()], dtype=torch.float64)[:, None] * rows
        weighting.update(step_of({"a": 1.0, "b": 1.0}, index, jacobian=Rows(weighted)))
    weights = weighting.weights(step_of({"a": 1.0, "b": 1.0}))
    assert weights["a"] == pytest.approx(2 / 1.01, rel=0.02)
    assert weights["a"] + weights["b"] == pytest.approx(2)
    assert min(weights.values()) > 0


def test_gradnorm_gives_more_to_what_learns_slowly() -> None:
    rows = torch.eye(2, dtype=torch.float64)
    weighting = GradNorm("ab", alpha=1.5)
    for index in range(200):
        weights = weighting.weights(step_of({"a": 1.0, "b": 1.0}))
        weighted = torch.tensor([*weights.values()], dtype=torch.float64)[:, None] * rows
        losses = {"a": 1.0, "b": 0.5 ** (index / 20)}
        weighting.update(step_of(losses, index, jacobian=Rows(weighted)))
    assert weighting.weights(step_of(losses))["a"] > 1.5


def test_a_number_without_a_gradient_stays_whatever_adam_knows_of_it() -> None:
    numbers = LearnedNumbers("ab", 0.0, 0.1)
    numbers.descend({"a": 1.0, "b": 1.0})
    before = numbers["b"]
    numbers.descend({"a": 1.0})
    assert numbers["b"] == before
    assert numbers["a"] < before < 0


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dwa", {"temperature": 0}, "temperature must be above 0; it is 0"),
        ("cagrad", {"c": -1.0}, "c must be at least 0"),
        ("aligned_mtl", {"scale_mode": "max"}, "scale_mode must be 'min', 'median' or 'rmse'"),
    ],
)
def test_options_are_held_to_their_ranges(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(CnnlibError, match=message):
        WEIGHTINGS[name](("a", "b"), **options)


def test_gradients_and_weights_by_losses_exclude_each_other() -> None:
    with pytest.raises(
        TypeError, match=r"Both: reads_gradients and weighs_by_losses.*set reads_losses instead"
    ):

        class Both(Weighting):
            reads_gradients = weighs_by_losses = True
