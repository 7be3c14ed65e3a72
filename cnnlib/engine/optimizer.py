"""Optimizers, fused: one kernel a step instead of one an operation and tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from cnnlib.checks import check_range


def sgd(
    parameters: Iterable[nn.Parameter],
    learning_rate: float = 0.1,
    momentum: float = 0.9,
    nesterov: bool = False,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Stochastic gradient descent with momentum. ``learning_rate`` is the schedule's peak."""
    check_range("learning_rate", learning_rate, above=0)
    check_range("momentum", momentum, least=0, below=1)
    check_range("weight_decay", weight_decay, least=0)
    return SGD(
        parameters,
        lr=learning_rate,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        fused=True,
    )


def adamw(
    parameters: Iterable[nn.Parameter],
    learning_rate: float = 1e-3,
    weight_decay: float = 0.01,
    beta1: float = 0.9,
    beta2: float = 0.999,
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019). ``learning_rate`` is the schedule's peak."""
    check_range("learning_rate", learning_rate, above=0)
    check_range("weight_decay", weight_decay, least=0)
    check_range("beta1", beta1, least=0, below=1)
    check_range("beta2", beta2, least=0, below=1)
    return AdamW(parameters, lr=learning_rate, weight_decay=weight_decay, betas=(beta1, beta2), fused=True)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": sgd, "adamw": adamw}
