"""The optimizer's groups of parameters, by part of the model and by depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from torch import nn
from torch.optim import Optimizer

from cnnlib.engine.freezing import encoder_stages
from cnnlib.types import CnnlibError

Group: TypeAlias = dict[str, Any]
_PARTS = ("encoder", "decoders", "heads")


def parameter_groups(model: nn.Module, factors: Mapping[str, float]) -> list[Group]:
    """What an optimizer is built with: groups with a ``name``, their ``params`` and the ``factor`` of their learning
    rate. They are called ``encoder``, or ``encoder.1`` to ``encoder.n`` for its stages from the image on; ``decoders``;
    ``heads``. A part without parameters has no group.

    Args:
        factors: of the parts ``encoder``, ``decoders`` and ``heads``, the last for all that is in neither; and
            ``per_stage``, by which the encoder's last stage but n is multiplied n times.

    Raises:
        CnnlibError: the model has no encoder that could learn at a rate of its own, or provides no stages of it.
    """
    parts: dict[str, list[nn.Parameter]] = {part: [] for part in _PARTS}
    for name, parameter in model.named_parameters():
        first = name.partition(".")[0]
        parts[first if first in _PARTS else "heads"].append(parameter)
    groups = [{"params": parts[part], "name": part, "factor": factors[part]} for part in _PARTS]
    if factors["per_stage"] != 1:
        groups[:1] = _by_stage(encoder_stages(model), factors)
    elif factors["encoder"] != 1 and not parts["encoder"]:
        raise CnnlibError(
            f"encoder: {type(model).__name__} has no parameter in an attribute encoder; leave it out"
        )
    return [group for group in groups if group["params"]]


def _by_stage(stages: list[nn.Module], factors: Mapping[str, float]) -> list[Group]:
    return [
        {
            "params": list(stage.parameters()),
            "name": f"encoder.{number}",
            "factor": factors["encoder"] * factors["per_stage"] ** (len(stages) - number),
        }
        for number, stage in enumerate(stages, 1)
    ]


def set_learning_rate(optimizer: Optimizer, rate: float) -> None:
    """``rate``, times its factor for a group that has one."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("factor", 1.0)


def learning_rates(optimizer: Optimizer) -> dict[str, float]:
    """What is logged: ``learning_rate``, before any factor, and ``learning_rate/<group>`` where groups have names."""
    groups = optimizer.param_groups
    base = {"learning_rate": groups[0]["lr"] / groups[0].get("factor", 1.0)}
    return base | {f"learning_rate/{group['name']}": group["lr"] for group in groups if "name" in group}
