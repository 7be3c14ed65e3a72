"""Every weighting of the table once more, in float64: TorchJD's own aggregators and scalarizers on whole Jacobians, and
formulas of the papers where it has none.

``ORACLES[name](count)`` is a weighting of ``count`` tasks. ``oracle(losses, rows, seed)`` takes the tasks' losses,
(count,), and gives the factors of these losses, and what the rows (count, shared parameters) of plain gradients become;
``after(losses)`` gets the same batch's losses after the step.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.optim import Adam
from torchjd import aggregation, scalarization


class Oracle:
    def __call__(self, losses: Tensor, rows: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        factors = self.factors(losses.detach().clone().requires_grad_(), rows, seed)
        return factors, factors @ rows

    def factors(self, losses: Tensor, rows: Tensor, seed: int) -> Tensor:
        raise NotImplementedError

    def after(self, losses: Tensor) -> None: ...


class Scalarized(Oracle):
    """The gradient of a scalar function of the losses."""

    def __init__(self, scalarizer: nn.Module) -> None:
        self.scalarizer = scalarizer.double()

    def factors(self, losses: Tensor, rows: Tensor, seed: int) -> Tensor:
        (factors,) = torch.autograd.grad(self.scalarizer(losses), losses)
        return factors


class Learned(Scalarized):
    """Uncertainty: its parameters are trained on the same scalar."""

    def __init__(self, scalarizer: nn.Module) -> None:
        super().__init__(scalarizer)
        self.adam = Adam(self.scalarizer.parameters(), lr=0.01)

    def factors(self, losses: Tensor, rows: Tensor, seed: int) -> Tensor:
        factors = super().factors(losses, rows, seed)
        self.adam.zero_grad()
        self.scalarizer(losses.detach()).backward()
        self.adam.step()
        return factors


class LooksAgain(Scalarized):
    def after(self, losses: Tensor) -> None:
        self.scalarizer.update(losses)


class Random(Oracle):
    def factors(self, losses: Tensor, rows: Tensor, seed: int) -> Tensor:
        noise = torch.randn(len(losses), dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        return noise.exp() / noise.exp().sum()


class ByGradNorm(Oracle):
    """Algorithm 1 of the paper, its loss differentiated by autograd."""

    def __init__(self, count: int) -> None:
        self.weights = torch.ones(count, dtype=torch.float64, requires_grad=True)
        self.adam = Adam([self.weights], lr=0.025)
        self.first: Tensor | None = None

    def factors(self, losses: Tensor, rows: Tensor, seed: int) -> Tensor:
        used, losses = self.weights.detach().clone(), losses.detach()
        self.first = losses if self.first is None else self.first
        norms = (self.weights[:, None] * rows).norm(dim=1)
        inverse_rates = losses / self.first
        wanted = (norms.mean() * (inverse_rates / inverse_rates.mean()) ** 1.5).detach()
        self.adam.zero_grad()
        (norms - wanted).abs().sum().backward()
        self.adam.step()
        with torch.no_grad():
            self.weights *= len(losses) / self.weights.sum()
        return used


class Aggregated(Oracle):
    """The losses have the factor 1, and the rows go through an aggregator."""

    def __init__(self, aggregator: nn.Module, dtype: torch.dtype = torch.float64) -> None:
        self.aggregator, self.dtype = aggregator, dtype

    def __call__(self, losses: Tensor, rows: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        with torch.random.fork_rng(), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*not DPP")  # of Nash-MTL's solver
            torch.manual_seed(seed)
            return torch.ones_like(losses), self.aggregator(rows.to(self.dtype)).double()


def _smoothed(_: int) -> Oracle:
    weighting = aggregation.CRMOGMWeighting(aggregation.MGDAWeighting(), 0.9)
    return Aggregated(aggregation.GramianWeightedAggregator(weighting))


ORACLES: Mapping[str, Callable[[int], Oracle]] = {
    "fixed": lambda count: Scalarized(scalarization.Sum()),
    "uncertainty": lambda count: Learned(scalarization.UW(count)),
    "dwa": lambda count: Scalarized(scalarization.DWA()),
    "rlw": lambda count: Random(),
    "gls": lambda count: Scalarized(scalarization.GeometricMean()),
    "famo": lambda count: LooksAgain(scalarization.FAMO(count)),
    "gradnorm": ByGradNorm,
    "mgda": lambda count: Aggregated(aggregation.MGDA()),
    "pcgrad": lambda count: Aggregated(aggregation.PCGrad()),
    # Its noise has the gradients' type, and other values in float64.
    "graddrop": lambda count: Aggregated(aggregation.GradDrop(), torch.float32),
    "gradvac": lambda count: Aggregated(aggregation.GradVac()),
    "cagrad": lambda count: Aggregated(aggregation.CAGrad(0.4)),
    "imtl_g": lambda count: Aggregated(aggregation.IMTLG()),
    "nash_mtl": lambda count: Aggregated(aggregation.NashMTL(count)),
    "aligned_mtl": lambda count: Aggregated(aggregation.AlignedMTL()),
    "fairgrad": lambda count: Aggregated(aggregation.FairGrad(2.0)),
    "excess_mtl": lambda count: Aggregated(aggregation.ExcessMTL()),
    "cr_mogm": _smoothed,
    "config": lambda count: Aggregated(aggregation.ConFIG()),
    "dual_proj": lambda count: Aggregated(aggregation.DualProj()),
    "upgrad": lambda count: Aggregated(aggregation.UPGrad()),
}
