"""A net's layers as a table: kind, name, output shape and parameters; and the operations of one image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class LayerRow:
    """One call of a layer.

    Attributes:
        kind: the name of its class.
        name: where it stands in the net.
        shapes: of the tensors that it gives for one image, (C, H, W) each.
        parameters: its own, without those of the layers inside.
    """

    kind: str
    name: str
    shapes: tuple[tuple[int, ...], ...]
    parameters: int


@dataclass(frozen=True)
class LayerTable:
    """The layers in the order in which they are computed.

    Attributes:
        rows: one for each call of a layer that is no mere container; parameters outside of any such come last.
        parameters: of the whole net, each counted once.
        flops: floating-point operations of one image, two for each multiplication and addition; of convolutions,
            matrix products and attention, as PyTorch counts them.
    """

    rows: tuple[LayerRow, ...]
    parameters: int
    flops: int


def layer_table(model: nn.Module, image_shape: Sequence[int]) -> LayerTable:
    """The table of a model on the "meta" device, in evaluation mode, for an image (C, H, W). Nothing is computed."""
    rows: list[LayerRow] = []
    seen: set[nn.Module] = set()
    containers = {
        model,
        getattr(model, "encoder", None),
        *getattr(model, "decoders", nn.ModuleDict()).values(),
    }
    handles = []
    for name, module in model.named_modules():
        if module in containers or isinstance(module, nn.Sequential):
            continue

        def add(module: nn.Module, inputs: Any, output: Any, name: str = name) -> None:
            seen.add(module)
            rows.append(LayerRow(type(module).__name__, name, _shapes(output), _own(module)))

        handles.append(module.register_forward_hook(add))
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(torch.empty(1, *image_shape, device="meta"))
    finally:
        for handle in handles:
            handle.remove()
    for name, module in model.named_modules():
        if module not in seen:
            for key, value in module.named_parameters(name, recurse=False):
                rows.append(LayerRow("Parameter", key, (tuple(value.shape),), value.numel()))
    return LayerTable(
        tuple(rows), sum(each.numel() for each in model.parameters()), counter.get_total_flops()
    )


def _own(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters(recurse=False))


def _shapes(output: Any) -> tuple[tuple[int, ...], ...]:
    if isinstance(output, Tensor):
        return (tuple(output.shape[1:]),)
    if isinstance(output, dict):
        output = output.values()
    if isinstance(output, Sequence) or hasattr(output, "__iter__"):
        return tuple(shape for each in output for shape in _shapes(each))
    return ()
