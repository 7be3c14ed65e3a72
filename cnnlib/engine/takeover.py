"""Starting from another run: its weights, and what its optimizer has gathered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from sys import intern
from typing import Any, TypeAlias

from torch import Tensor, nn
from torch.optim import Optimizer

from cnnlib.types import CnnlibError

_HEADS = "heads.", "exchange.first."
_DECODER = re.compile(r"decoders\.([^.]+)\.")
_EXCHANGE = re.compile(r"exchange\.[^.]+\.([^.]+)\.(?:messages\.([^.]+)\.)?")
"""What is a task's own in an exchange, and what it takes from another task."""
_STITCHED = re.compile(r"encoder\.encoders\.([^.]+)\.")
OptimizerState: TypeAlias = dict[str, dict[str, Any]]
"""By the name of the parameter; one that was never trained has none."""


def take_over_weights(model: nn.Module, given: Mapping[str, Tensor], *, weights: bool, heads: bool) -> None:
    """Copies parameters and buffers of another run into ``model``.

    Args:
        given: the other run's, by name.
        weights: take everything but the heads. What belongs to a task that the other run did not have, its decoder and
            its part of an exchange, stays as it is.
        heads: take the heads, those of first predictions among them.

    Raises:
        CnnlibError: a tensor is missing, left over or of another shape, or encoders are mixed for other tasks; nothing
            is copied then.
    """
    own = model.state_dict()
    model.load_state_dict(own | taken_over(own, given, weights=weights, heads=heads))


def taken_over(
    own: Mapping[str, Tensor], given: Mapping[str, Tensor], *, weights: bool, heads: bool
) -> dict[str, Tensor]:
    """What ``take_over_weights`` would copy of ``given`` into a model with the state ``own``; of both, names and shapes
    alone are looked at.
    """
    if weights:
        _refuse_other_mixture(_tasks(_STITCHED, own), _tasks(_STITCHED, given))
    decoded = _tasks(_DECODER, own).keys() & _tasks(_DECODER, given)
    of_one = _predicted(own) ^ _predicted(given)

    def wanted(name: str) -> bool:
        if name.startswith(_HEADS):
            return heads
        if decoder := _DECODER.match(name):
            return weights and decoder[1] in decoded
        part = _EXCHANGE.match(name)
        return weights and not (part and of_one & {*part.groups()})

    names = [name for name in dict.fromkeys([*own, *given]) if wanted(name)]
    if differences := list(_differences(names, own, given)):
        more = f" ({len(differences) - 1} more tensors differ)" if len(differences) > 1 else ""
        advice = "give both runs the same model, options and inputs"
        if all(name.startswith(_HEADS) for name in differences):
            advice = "give both runs the same tasks, or set heads: false to begin with new heads"
        raise CnnlibError(f"{differences[0]}{more}; {advice}")
    return {name: given[name] for name in names}


def _differences(names: list[str], own: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> Iterator[str]:
    for name in names:
        there, here = (tuple(each[name].shape) if name in each else "missing" for each in (given, own))
        if there != here:
            yield f"{name} is {there} in the other run, and {here} here"


def _tasks(pattern: re.Pattern[str], names: Iterable[str]) -> dict[str, None]:
    """Those that a name speaks of, in the order of the names."""
    return dict.fromkeys(found[1] for found in map(pattern.match, names) if found)


def _predicted(names: Iterable[str]) -> set[str]:
    return {name.split(".")[1] for name in names if name.startswith("heads.")}


def _refuse_other_mixture(here: Iterable[str], there: Iterable[str]) -> None:
    here, there = ", ".join(here), ", ".join(there)
    if here and there and here != there:
        raise CnnlibError(
            f"the other run mixes the encoders of {there}, and this one those of {here}: what is learned of the "
            "mixture (cross_stitch) holds for these tasks in this order alone; give both runs the same tasks in one "
            "order, or set weights: false"
        )


def named_state(optimizer: Optimizer, model: nn.Module) -> OptimizerState:
    """What the optimizer has gathered of each parameter (moments, steps)."""
    names, gathered = _names(optimizer, model), optimizer.state_dict()["state"]
    # With keys of one object each: pickle distinguishes equal strings from one string, and a file's hash would too.
    return {names[index]: {intern(key): value for key, value in of.items()} for index, of in gathered.items()}


def take_over_optimizer(
    optimizer: Optimizer, model: nn.Module, given: Mapping[str, Mapping[str, Any]], *, heads: bool
) -> None:
    """What another run's optimizer has gathered; learning rates and other options stay.

    A parameter of which it has gathered nothing, as it was frozen, begins anew.

    Args:
        given: its ``named_state``.
        heads: that of the heads too.
    """
    taken = {
        index: dict(given[name])
        for index, name in enumerate(_names(optimizer, model))
        if name in given and (heads or not name.startswith(_HEADS))
    }
    optimizer.load_state_dict(optimizer.state_dict() | {"state": taken})


def _names(optimizer: Optimizer, model: nn.Module) -> list[str]:
    """Of the optimizer's parameters, in its order."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return [names[id(parameter)] for group in optimizer.param_groups for parameter in group["params"]]
