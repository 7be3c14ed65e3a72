"""Starting from another run: its weights, and what its optimizer has gathered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from cnnlib.types import CnnlibError

_HEADS, _DECODERS = "heads.", "decoders."


def take_over_weights(model: nn.Module, state: Mapping[str, Any], *, weights: bool, heads: bool) -> None:
    """Copies parameters and buffers of another run's checkpoint into ``model``.

    Args:
        state: of ``best.ckpt``.
        weights: take everything but the heads. A decoder whose task the other run did not have stays as it is.
        heads: take the heads.

    Raises:
        CnnlibError: a tensor that should be taken over is missing or of another shape; nothing is copied then.
    """
    given, own = state["model"], model.state_dict()
    wanted = [name for name in own if (heads if name.startswith(_HEADS) else weights)]
    tasks = {_task(name) for name in given if name.startswith(_DECODERS)}
    wanted = [name for name in wanted if not name.startswith(_DECODERS) or _task(name) in tasks]
    for name in wanted:
        _check(name, given.get(name), own[name])
    model.load_state_dict(own | {name: given[name] for name in wanted})


def take_over_optimizer(optimizer: Optimizer, state: Mapping[str, Any], *, heads: bool) -> None:
    """What another run's optimizer has gathered of each parameter (moments, steps); learning rates stay.

    Parameters of which it has gathered nothing, as it was frozen, begin anew.

    Args:
        state: of ``best.ckpt``.
        heads: those of the heads too.

    Raises:
        CnnlibError: it was another kind of optimizer, or a parameter has another shape.
    """
    own = optimizer.state_dict()
    gathered = _by_name(state["optimizer"])
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    names = [name for group in own["param_groups"] for name in group["param_names"]]
    indices = [index for group in own["param_groups"] for index in group["params"]]
    taken = {}
    for index, name, parameter in zip(indices, names, parameters, strict=True):
        if name not in gathered or (name.startswith(_HEADS) and not heads):
            continue
        for value in gathered[name].values():
            if isinstance(value, Tensor) and value.ndim:
                _check(name, value, parameter)
        taken[index] = gathered[name]
    optimizer.load_state_dict(own | {"state": taken})


def _by_name(saved: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    names = {
        index: name
        for group in saved["param_groups"]
        for index, name in zip(group["params"], group["param_names"], strict=True)
    }
    return {names[index]: gathered for index, gathered in saved["state"].items()}


def _task(name: str) -> str:
    return name.split(".")[1]


def _check(name: str, given: Tensor | None, own: Tensor) -> None:
    if given is None:
        raise CnnlibError(
            f"start_from: the other run has no {name!r}; give both the same model, or take over less"
            + (" (heads: false)" if name.startswith(_HEADS) else "")
        )
    if given.shape != own.shape:
        raise CnnlibError(
            f"start_from: {name!r} is {tuple(given.shape)} in the other run, and {tuple(own.shape)} here; give both "
            "the same model, inputs and classes, or take over less"
        )
