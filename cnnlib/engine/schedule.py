"""Learning-rate schedules behind one interface, called after every step and with every epoch's score."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt, MinLen
from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    ConstantLR,
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
)

from cnnlib.checks import checked


@dataclass
class Schedule:
    """A torch scheduler, and whether it moves with the steps or with the validation score."""

    scheduler: LRScheduler
    follows_score: bool = False

    def after_step(self) -> None:
        if not self.follows_score:
            self.scheduler.step()

    def after_epoch(self, score: float) -> None:
        """``score`` is the validation score, higher is better."""
        if self.follows_score:
            self.scheduler.step(score)

    def state_dict(self) -> dict[str, Any]:
        return self.scheduler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.scheduler.load_state_dict(state)


def constant(optimizer: Optimizer, total_steps: int) -> Schedule:
    """The optimizer's learning rate throughout."""
    return Schedule(ConstantLR(optimizer, factor=1.0, total_iters=total_steps))


@checked
def one_cycle(
    optimizer: Optimizer,
    total_steps: int,
    warmup: Annotated[float, Gt(0), Lt(1)] = 0.3,
    start_factor: Annotated[float, Gt(0), Le(1)] = 0.04,
    final_factor: Annotated[float, Gt(0), Le(1)] = 0.0001,
) -> Schedule:
    """Up to the peak over the first ``warmup`` of the steps, then down along a cosine (Smith and Topin, 2018).

    Args:
        warmup: the share of the steps that climb.
        start_factor, final_factor: the first and the last learning rate, as shares of the peak.
    """
    return Schedule(
        OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=total_steps,
            # PyTorch divides by the climb's length less a step.
            pct_start=warmup if warmup * total_steps != 1 else math.nextafter(warmup, 1),
            div_factor=1 / start_factor,
            final_div_factor=start_factor / final_factor,
            cycle_momentum=False,
        )
    )


@checked
def cosine(
    optimizer: Optimizer,
    total_steps: int,
    warmup: Annotated[float, Ge(0), Lt(1)] = 0.05,
    final_factor: Annotated[float, Ge(0), Le(1)] = 0.0,
) -> Schedule:
    """A straight climb over the first ``warmup`` of the steps, then a cosine down (Loshchilov and Hutter, 2017)."""
    climb = int(warmup * total_steps)
    finals = [final_factor * group["lr"] for group in optimizer.param_groups]
    if climb == 0:
        return Schedule(_Cosine(optimizer, total_steps, finals))
    up = LinearLR(optimizer, start_factor=1 / (climb + 1), total_iters=climb)
    down = _Cosine(optimizer, total_steps - climb, finals)
    return Schedule(SequentialLR(optimizer, [up, down], milestones=[climb]))


class _Cosine(CosineAnnealingLR):
    """Down to a learning rate for each group, where PyTorch's has one for all."""

    def __init__(self, optimizer: Optimizer, steps: int, finals: Sequence[float]) -> None:
        self.finals = list(finals)
        super().__init__(optimizer, T_max=steps)

    def get_lr(self) -> list[float]:
        rates = []
        for index, final in enumerate(self.finals):
            self.eta_min = final
            rates.append(super().get_lr()[index])
        return rates


@checked
def plateau(
    optimizer: Optimizer,
    total_steps: int,
    factor: Annotated[float, Gt(0), Lt(1)] = 0.1,
    patience: Annotated[int, Ge(1)] = 3,
) -> Schedule:
    """The learning rate times ``factor`` after every ``patience`` epochs in a row without a better validation score."""
    # PyTorch's patience is how many such epochs it bears, not at which one it acts. Its eps would stop small learning
    # rates before large ones, so that those of a model's parts lost their ratio.
    return Schedule(
        ReduceLROnPlateau(
            optimizer, mode="max", factor=factor, patience=patience - 1, threshold=0.0, eps=0.0
        ),
        follows_score=True,
    )


@checked
def step(
    optimizer: Optimizer,
    total_steps: int,
    at: Annotated[Sequence[Annotated[float, Gt(0), Lt(1)]], MinLen(1)] = (0.5,),
    factor: Annotated[float, Gt(0), Lt(1)] = 0.5,
) -> Schedule:
    """The learning rate times ``factor`` at certain points of the training.

    Args:
        at: the shares of the steps that have been taken then; ``[0.5]`` of 200 epochs is after 100.
    """
    return Schedule(
        MultiStepLR(optimizer, [max(1, round(share * total_steps)) for share in at], gamma=factor)
    )


SCHEDULES: dict[str, Callable[..., Schedule]] = {
    "one_cycle": one_cycle,
    "cosine": cosine,
    "plateau": plateau,
    "step": step,
    "constant": constant,
}
