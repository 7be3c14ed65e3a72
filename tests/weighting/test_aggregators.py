"""TorchJD's own aggregators on whole Jacobians say what the weightings make of inner products."""

from __future__ import annotations

import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cnnlib.types import CnnlibError, Combined, TrainingStep
from cnnlib.weighting import WEIGHTINGS, CAGrad, NashMTL
from cnnlib.weighting.aggregation import Aggregation, square_root
from cnnlib.weighting.randomness import step_seed
from tests.weighting.oracles import ORACLES, Aggregated

AGGREGATIONS = [name for name, each in WEIGHTINGS.items() if issubclass(each, Aggregation)]


@dataclass
class Rows:
    """A Jacobian whose rows are given, float64."""

    rows: Tensor

    @property
    def gramian(self) -> Tensor:
        return self.rows @ self.rows.T

    def matrix(self) -> Tensor:
        return self.rows


def step_on(rows: Tensor) -> TrainingStep:
    return TrainingStep(3, 1, 0, [f"task{index}" for index in range(len(rows))], jacobian=Rows(rows))


def direction(name: str, rows: Tensor, **options: float) -> Tensor:
    step = step_on(rows)
    combined = WEIGHTINGS[name](step.tasks, **options).combine(step)
    return combined.weights @ rows if combined.vector is None else combined.vector


def wanted(name: str, rows: Tensor) -> Tensor:
    oracle = ORACLES[name](len(rows))
    assert isinstance(oracle, Aggregated)
    with torch.random.fork_rng(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not DPP")
        torch.manual_seed(step_seed(step_on(rows)))
        return oracle.aggregator(rows)


# Gradients of any length, opposing or not; never nearly dependent, where two ways to compute differ rightly.
SHAPES = st.tuples(st.integers(2, 4), st.integers(0, 20), st.integers(0, 10_000))


def random_rows(shape: tuple[int, int, int]) -> Tensor:
    count, more, seed = shape
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, count + more + 2, dtype=torch.float64, generator=generator)
    lengths = 10 ** (2 * torch.rand(count, 1, dtype=torch.float64, generator=generator) - 1)
    return rows * lengths


@pytest.mark.parametrize("name", AGGREGATIONS)
@settings(max_examples=15)
@given(shape=SHAPES)
def test_the_direction_is_that_of_the_aggregator(name: str, shape: tuple[int, int, int]) -> None:
    rows = random_rows(shape)
    expected = wanted(name, rows)
    torch.testing.assert_close(direction(name, rows), expected, rtol=1e-5, atol=1e-5 * rows.norm().item())


def test_mgda_finds_the_shortest_vector_of_a_segment() -> None:
    """Two tasks have a closed form: Sener and Koltun 2018, equation 4."""
    one, other = torch.tensor([[4.0, 1.0], [-1.0, 2.0]], dtype=torch.float64)
    share = ((other - one) @ other / (one - other).norm() ** 2).clamp(0, 1)
    torch.testing.assert_close(
        direction("mgda", torch.stack([one, other]), max_iters=10_000, epsilon=1e-9),
        share * one + (1 - share) * other,
    )


def test_pcgrad_takes_away_what_opposes() -> None:
    """Yu et al. 2020, Algorithm 1, by hand for two tasks."""
    one, other = torch.tensor([[2.0, 0.0], [-1.0, 1.0]], dtype=torch.float64)
    expected = (one - one @ other / (other @ other) * other) + (other - other @ one / (one @ one) * one)
    torch.testing.assert_close(direction("pcgrad", torch.stack([one, other])), expected)
    agreeing = torch.tensor([[2.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(direction("pcgrad", agreeing), agreeing.sum(0))


def test_cagrad_is_the_mean_at_c_0_and_stays_in_its_ball() -> None:
    rows = random_rows((3, 5, 1))
    mean = rows.mean(0)
    torch.testing.assert_close(direction("cagrad", rows, c=0.0), mean)
    for c in (0.2, 0.4, 0.9):
        found = direction("cagrad", rows, c=c)
        assert (found - mean).norm() <= c * mean.norm() * (1 + 1e-6)
        assert (rows @ found).min() > (rows @ mean).min()


@pytest.mark.parametrize("name", AGGREGATIONS)
@pytest.mark.parametrize(
    "rows",
    [
        [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]],
        [[1.0, 2.0, 3.0], [-1.0, -2.0, -3.0]],
        [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]],
        [[1e-12, 0.0, 0.0], [0.0, 1e6, 0.0]],
    ],
    ids=["equal", "opposite", "one is zero", "lengths far apart"],
)
def test_degenerate_gradients_give_a_finite_direction(name: str, rows: list[list[float]]) -> None:
    if name == "nash_mtl":
        warnings.filterwarnings("ignore")  # its solver says that it may be inaccurate
    assert direction(name, torch.tensor(rows, dtype=torch.float64)).isfinite().all()


@given(shape=SHAPES)
@settings(max_examples=30)
def test_short_rows_have_the_same_inner_products(shape: tuple[int, int, int]) -> None:
    gramian = Rows(random_rows(shape)).gramian
    short = square_root(gramian)
    assert short.shape == gramian.shape
    torch.testing.assert_close(short @ short.T, gramian)


def test_what_an_aggregator_draws_follows_the_step_alone() -> None:
    rows = torch.randn(3, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weighting = WEIGHTINGS["graddrop"](step_on(rows).tasks)
    found = []
    for index in (0, 1, 0):
        torch.manual_seed(index)
        before = torch.get_rng_state()
        step = step_on(rows)
        step.index = 10 * index
        found.append(weighting.combine(step).vector)
        assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(found[0], found[2])
    assert not torch.equal(found[0], found[1])


def test_without_torchjd_or_a_solver_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    message = r"needs TorchJD and its solvers: pip install cnnlib\[multitask\]"
    with monkeypatch.context() as patched:
        patched.setattr("torchjd._mixins.find_spec", lambda name: None)
        with pytest.raises(CnnlibError, match=f"NashMTL {message}"):
            NashMTL(["a", "b"])
    monkeypatch.setitem(sys.modules, "torchjd", ModuleType("torchjd"))
    monkeypatch.delitem(sys.modules, "torchjd.aggregation", raising=False)
    with pytest.raises(CnnlibError, match=f"CAGrad {message}"):
        CAGrad(["a", "b"])


REMEMBERING = {
    "gradvac": {},
    "nash_mtl": {"update_weights_every": 4},
    "excess_mtl": {},
    "cr_mogm": {},
}
"""Aggregators whose result depends on earlier steps, and options under which it shows."""


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_what_it_remembers_goes_through_its_state(name: str, tmp_path: Path) -> None:
    """The next step is the same, to the bit; without the state it is another where there is a memory."""
    random, options = torch.Generator().manual_seed(0), REMEMBERING.get(name, {})
    steps = [step_on(torch.randn(3, 7, generator=random, dtype=torch.float64)) for _ in range(4)]
    first, fresh, resumed = (WEIGHTINGS[name](steps[0].tasks, **options) for _ in range(3))
    for step in steps[:3]:
        first.combine(step)
    torch.save(first.state_dict(), tmp_path / "state.pt")
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    ends = [_told(weighting.combine(steps[3])) for weighting in (first, resumed, fresh)]
    assert ends[0] == ends[1]
    assert (ends[0] != ends[2]) == (name in REMEMBERING)


def _told(combined: Combined) -> list[list[float]]:
    parts = (combined.weights, combined.vector)
    return [part.tolist() for part in parts if part is not None]
