"""Optimizers, fused: one kernel per step instead of one per operation and tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, TypeAlias

from annotated_types import Ge, Gt, Lt
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from cnnlib.checks import checked

LearningRate: TypeAlias = Annotated[float, Gt(0)]
WeightDecay: TypeAlias = Annotated[float, Ge(0)]
Decay: TypeAlias = Annotated[float, Ge(0), Lt(1)]


@checked
def sgd(
    parameters: Iterable[nn.Parameter],
    learning_rate: LearningRate = 0.1,
    momentum: Decay = 0.9,
    nesterov: bool = False,
    weight_decay: WeightDecay = 0.0,
) -> Optimizer:
    """Stochastic gradient descent with momentum. ``learning_rate`` is the schedule's peak."""
    return SGD(
        parameters,
        lr=learning_rate,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        fused=True,
    )


@checked
def adamw(
    parameters: Iterable[nn.Parameter],
    learning_rate: LearningRate = 1e-3,
    weight_decay: WeightDecay = 0.01,
    beta1: Decay = 0.9,
    beta2: Decay = 0.999,
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019). ``learning_rate`` is the schedule's peak."""
    return AdamW(parameters, lr=learning_rate, weight_decay=weight_decay, betas=(beta1, beta2), fused=True)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": sgd, "adamw": adamw}
