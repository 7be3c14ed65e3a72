"""Optimizers, fused: one kernel per step instead of one per operation and tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, TypeAlias

import torch
from annotated_types import Ge, Gt, Lt
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from cnnlib.checks import checked

Parameters: TypeAlias = Iterable[nn.Parameter] | Iterable[dict[str, Any]]
"""Parameters, or groups of them (see ``parameter_groups``)."""
LearningRate: TypeAlias = Annotated[float, Gt(0)] | Literal["auto"]
"""``auto``: what the run's own range test (``lr_finder.py``) suggests; it takes the place of the word before the
optimizer's first step."""
WeightDecay: TypeAlias = Annotated[float, Ge(0)]
Decay: TypeAlias = Annotated[float, Ge(0), Lt(1)]


@checked
def sgd(
    parameters: Parameters,
    learning_rate: LearningRate = 0.1,
    momentum: Decay = 0.9,
    nesterov: bool = False,
    weight_decay: WeightDecay = 0.0,
) -> Optimizer:
    """Stochastic gradient descent with momentum.

    Args:
        learning_rate: the schedule's peak; ``auto`` takes what a range test of the run's own suggests.
    """
    optimizer = SGD(
        parameters,
        lr=_number(learning_rate),
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        fused=True,
    )
    if momentum > 0:
        optimizer.register_step_pre_hook(_begin_momentum)
    return optimizer


def _begin_momentum(optimizer: Optimizer, *_: object) -> None:
    """Gives momentum of 0, which changes nothing, to parameters that were thawed after others had gathered some:
    PyTorch's fused SGD takes a group in which all have momentum, or none.
    """
    for group in optimizer.param_groups:
        trained = [parameter for parameter in group["params"] if parameter.grad is not None]
        new = [
            parameter for parameter in trained if optimizer.state[parameter].get("momentum_buffer") is None
        ]
        if len(new) < len(trained):
            for parameter in new:
                optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)


@checked
def adamw(
    parameters: Parameters,
    learning_rate: LearningRate = 1e-3,
    weight_decay: WeightDecay = 0.01,
    beta1: Decay = 0.9,
    beta2: Decay = 0.999,
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019); without weight decay it is Adam.

    Args:
        learning_rate: the schedule's peak; ``auto`` takes what a range test of the run's own suggests.
    """
    return _adam(AdamW, parameters, learning_rate, weight_decay, (beta1, beta2))


@checked
def adam(
    parameters: Parameters,
    learning_rate: LearningRate = 1e-3,
    weight_decay: WeightDecay = 0.0,
    beta1: Decay = 0.9,
    beta2: Decay = 0.999,
) -> Optimizer:
    """Adam with weight decay as a part of the gradient (Kingma and Ba, 2015), as older papers have it; see ``adamw``.

    Args:
        learning_rate: the schedule's peak; ``auto`` takes what a range test of the run's own suggests.
    """
    return _adam(Adam, parameters, learning_rate, weight_decay, (beta1, beta2))


def _adam(
    kind: Callable[..., Optimizer],
    parameters: Parameters,
    learning_rate: LearningRate,
    weight_decay: float,
    betas: tuple[float, float],
) -> Optimizer:
    return kind(parameters, lr=_number(learning_rate), weight_decay=weight_decay, betas=betas, fused=True)


def _number(learning_rate: LearningRate) -> float:
    """Where it is not known yet, one that changes nothing much."""
    return 1e-6 if learning_rate == "auto" else learning_rate


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": sgd, "adamw": adamw, "adam": adam}
