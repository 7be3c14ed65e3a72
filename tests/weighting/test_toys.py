"""GradNorm, PCGrad, uncertainty, MGDA and CAGrad on toy problems of their papers, to 1e-5, through the engine.

What is expected is a closed form, or found by SciPy from the paper's definition.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import permutations, product

import numpy as np
import pytest
from scipy.optimize import LinearConstraint, minimize, minimize_scalar

from cnnlib.weighting import MGDA, CAGrad, GradNorm, PCGrad, Uncertainty
from tests.weighting.toys import Descent, Losses, Taken, bowls, cagrads_landscape, names, rows

PLACES = [(-8.5, 7.5), (-8.5, 5.0), (9.0, 9.0), (10.0, -8.0), (-5.0, 2.5), (0.0, 3.0), (1.0, -1.0)]
"""Where CAGrad's paper begins, its saddle excepted, and three on the way."""
THREE = bowls([[1.0, 0.0, 0.5], [-1.0, 0.5, 0.0], [0.0, -2.0, 0.3]], [1.0, 3.0, 0.5])
THREES = [(0.3, 0.2, -0.4), (0.0, 0.0, 0.0), (2.0, 1.0, -1.0), (-0.5, -0.3, 1.0)]


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


def first_step(weighting: object, losses: Losses, at: Sequence[float]) -> Taken:
    return Descent(losses, at, weighting).step()


# CAGrad


def nearest_in_the_ball(gradients: np.ndarray, c: float) -> np.ndarray:
    """The d within c |g0| of the mean g0 whose least product with a gradient is largest (the paper's equation 3)."""
    mean = gradients.mean(0)
    scale = np.linalg.norm(mean)
    unit = gradients / scale

    def slack(values: np.ndarray) -> np.ndarray:
        return unit @ values[:-1] - values[-1]

    ball = {"type": "ineq", "fun": lambda v: c**2 - ((v[:-1] - mean / scale) ** 2).sum()}
    start = np.append(mean / scale, (unit @ (mean / scale)).min())
    found = minimize(
        lambda v: -v[-1],
        start,
        constraints=[{"type": "ineq", "fun": slack}, ball],
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    return found.x[:-1] * scale


@pytest.mark.parametrize("place", PLACES)
def test_cagrad_on_the_landscape_of_its_paper(place: Sequence[float]) -> None:
    """By the dual, over the share of the first task, and by the primal problem."""
    gradients, c = rows(cagrads_landscape, place), 0.5
    mean = gradients.mean(0)
    radius = c * np.linalg.norm(mean)

    def dual(share: float) -> float:
        mixed = share * gradients[0] + (1 - share) * gradients[1]
        return mixed @ mean + radius * np.linalg.norm(mixed)

    inner = minimize_scalar(dual, bounds=(0, 1), method="bounded", options={"xatol": 1e-13})
    share = min((0.0, 1.0, inner.x), key=dual)
    mixture = np.array([share, 1 - share])
    weights = 0.5 + radius / np.linalg.norm(mixture @ gradients) * mixture
    taken = first_step(CAGrad(names(2), c=c), cagrads_landscape, place)
    close(taken.direction, weights @ gradients)
    close(taken.direction, nearest_in_the_ball(gradients, c))
    close(taken.weights, weights)


@pytest.mark.parametrize("place", THREES)
def test_cagrad_of_three_tasks(place: Sequence[float]) -> None:
    taken = first_step(CAGrad(names(3), c=0.5), THREE, place)
    close(taken.direction, nearest_in_the_ball(rows(THREE, place), 0.5))


# MGDA


@pytest.mark.parametrize("place", PLACES)
def test_mgda_of_two_tasks_has_a_closed_form(place: Sequence[float]) -> None:
    """Sener and Koltun 2018, equation 4."""
    one, other = rows(cagrads_landscape, place)
    share = np.clip((other - one) @ other / ((one - other) @ (one - other)), 0, 1)
    taken = first_step(MGDA(names(2)), cagrads_landscape, place)
    close(taken.direction, share * one + (1 - share) * other)
    close(taken.weights, np.array([share, 1 - share]))


@pytest.mark.parametrize("place", THREES)
def test_mgda_of_three_tasks_is_the_shortest_mean(place: Sequence[float]) -> None:
    gradients = rows(THREE, place)
    gramian = gradients @ gradients.T
    found = minimize(
        lambda w: w @ gramian @ w,
        np.full(3, 1 / 3),
        jac=lambda w: 2 * gramian @ w,
        bounds=[(0, 1)] * 3,
        constraints=LinearConstraint(np.ones((1, 3)), 1, 1),
        method="SLSQP",
        options={"ftol": 1e-16, "maxiter": 1000},
    )
    taken = first_step(MGDA(names(3), epsilon=1e-12, max_iters=20_000), THREE, place)
    close(taken.direction, found.x @ gradients)
    close(taken.weights, found.x)


# PCGrad


def surgeries(gradients: np.ndarray) -> Iterator[np.ndarray]:
    """Algorithm 1 of Yu et al. 2020, for every order in which each task may meet the others."""
    count = len(gradients)
    others = [permutations([j for j in range(count) if j != i]) for i in range(count)]
    for orders in product(*others):
        total = np.zeros(gradients.shape[1])
        for own, order in zip(gradients, orders, strict=True):
            for other in gradients[list(order)]:
                own = own - min(own @ other, 0) / (other @ other) * other
            total += own
        yield total


@pytest.mark.parametrize("place", PLACES)
def test_pcgrad_of_two_tasks_projects_each_on_the_normal_of_the_other(place: Sequence[float]) -> None:
    (wanted,) = surgeries(rows(cagrads_landscape, place))
    close(first_step(PCGrad(names(2)), cagrads_landscape, place).direction, wanted)


def test_pcgrad_of_three_tasks_takes_the_orders_at_random() -> None:
    """Each step's gradient is that of one of the orders, and not always of the same."""
    opposing = bowls([[1.0, 0.0], [-0.5, 0.9], [-0.6, -0.8]], [1.0, 3.0, 0.5])
    wanted = np.array([*surgeries(rows(opposing, [0.0, 0.0]))])
    descent = Descent(opposing, [0.0, 0.0], PCGrad(names(3)))
    taken = set()
    for _ in range(10):
        apart = np.linalg.norm(wanted - descent.step().direction, axis=1)
        assert apart.min() < 1e-5 * np.linalg.norm(wanted[0])
        taken.add(int(apart.argmin()))
    assert len(taken) > 1


# Uncertainty


def test_uncertainty_finds_the_maximum_of_the_likelihood() -> None:
    """Two tasks that observe one number, 1 and 2 with noise of their own: Kendall et al. 2018, equation 7.

    With the best variances, each task's loss itself, the minimum is that of the sum of log L / 2.
    """
    seen, noise = (1.0, 2.0), (0.5, 2.0)

    def losses(point):
        return [((point - value) ** 2).sum() + left for value, left in zip(seen, noise, strict=True)]

    profile = minimize_scalar(
        lambda x: sum(0.5 * np.log((x - value) ** 2 + left) for value, left in zip(seen, noise, strict=True)),
        bounds=(0.5, 2.0),
        method="bounded",
        options={"xatol": 1e-12},
    )
    weighting = Uncertainty(names(2), learning_rate=0.05)
    descent = Descent(losses, [1.5], weighting, rate=0.05)
    for _ in range(300):
        taken = descent.step()
    best = [(profile.x - value) ** 2 + left for value, left in zip(seen, noise, strict=True)]
    close(descent.numbers, np.array([profile.x]))
    close(np.array([weighting.log_variances[name] for name in names(2)]), np.log(best))
    close(taken.weights, 1 / (2 * np.array(best)))


# GradNorm


def test_gradnorm_by_its_closed_gradient() -> None:
    """Chen et al. 2018, Algorithm 1: the tasks' targets are 100 times apart in scale, as in their toy problem.

    The loss of the weights, sum |G - mean(G) r^alpha| with the second term held fast, has the gradient
    |g| sign(G - mean(G) r^alpha) with the plain gradient g of a task: Adam's step on it, then a sum of T.
    """
    count, alpha, rate, step_size = 3, 1.5, 0.025, 1e-5
    losses = bowls([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]], [1.0, 10.0, 100.0])
    descent = Descent(losses, [0.3, -0.2], GradNorm(names(count), alpha, rate), rate=step_size)
    weights, first, mean, square = np.ones(count), None, np.zeros(count), np.zeros(count)
    place = descent.numbers
    for step in range(1, 31):
        gradients = rows(losses, place)
        values = np.array([float(loss) for loss in losses(descent.model.module.numbers.detach())])
        first = values if first is None else first
        taken = descent.step()
        close(taken.weights, weights)
        close(taken.direction, weights @ gradients)
        place = descent.numbers

        lengths = np.linalg.norm(gradients, axis=1)
        pace = values / first
        norms = weights * lengths
        slope = lengths * np.sign(norms - norms.mean() * (pace / pace.mean()) ** alpha)
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        weights = weights - rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        weights *= count / weights.sum()
    assert weights.sum() == pytest.approx(count)
    assert weights[0] > weights[1] > weights[2] > 0.1  # never at the bound that keeps them above 0
