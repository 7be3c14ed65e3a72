"""The optimizer's groups of parameters, by part of the model and by depth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn
from torch.optim import Optimizer

from cnnlib.engine.freezing import encoder_stages

Group = dict[str, Any]


def parameter_groups(model: nn.Module, factors: Mapping[str, float] | None = None) -> list[Group]:
    """What an optimizer is built with; each group has its parameters' names, and the ``factor`` of its learning rate.

    Args:
        factors: of the parts ``encoder``, ``decoders`` and ``heads``, the last for all that is in neither; and
            ``per_stage``, by which the encoder's last stage but n is multiplied n times. ``None``: one group.

    Raises:
        CnnlibError: the model tells no stages of its encoder.
    """
    named = list(model.named_parameters())
    if factors is None:
        return [{"params": named, "factor": 1.0}]
    stages = [set(stage.parameters()) for stage in encoder_stages(model, "learning_rate_factors")]
    groups: dict[tuple[str, int], Group] = {}
    for name, parameter in named:
        part = name.partition(".")[0]
        part = part if part in ("encoder", "decoders") else "heads"
        above = 0
        if part == "encoder":
            own = next(index for index, stage in enumerate(stages) if parameter in stage)
            above = len(stages) - 1 - own
        factor = factors[part] * factors["per_stage"] ** above
        groups.setdefault((part, above), {"params": [], "factor": factor})["params"].append((name, parameter))
    return list(groups.values())


def scale_learning_rates(optimizer: Optimizer) -> None:
    """Multiplies each group's learning rate by its factor; once, before there is a schedule."""
    for group in optimizer.param_groups:
        group["lr"] *= group["factor"]
