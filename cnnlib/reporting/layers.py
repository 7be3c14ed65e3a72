"""A model's layers, as a table: what each makes of an image, and how many parameters it has."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Layer(NamedTuple):
    name: str
    kind: str
    """The class."""
    output: str
    """Its shape for one image, empty where the layer is not run or gives no tensor."""
    parameters: int
    trainable: int


def layers_of(model: nn.Module, image: Tensor) -> list[Layer]:
    """The modules with parameters of their own, in the order in which ``model`` runs them; those it does not run last.

    The model looks at ``image`` (C, H, W) once, in evaluation mode, and is as it was before. A parameter that modules
    share is counted in the first.
    """
    names = {module: name for name, module in model.named_modules() if _own(module)}
    outputs: dict[nn.Module, str] = {}

    def note(module: nn.Module, inputs: Any, output: Any) -> None:
        outputs.setdefault(module, _shape(output))

    hooks = [module.register_forward_hook(note) for module in names]
    modes = {module: module.training for module in model.modules()}
    try:
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            model.eval()(image[None])
    finally:
        for hook in hooks:
            hook.remove()
        for module, training in modes.items():
            module.training = training
    counted: set[nn.Parameter] = set()
    layers = []
    for module in [*outputs, *(module for module in names if module not in outputs)]:
        new = [each for each in _own(module) if each not in counted]
        counted |= set(new)
        sizes = (sum(each.numel() for each in new), sum(each.numel() for each in new if each.requires_grad))
        layers.append(
            Layer(names[module] or "(model)", type(module).__name__, outputs.get(module, ""), *sizes)
        )
    return layers


def megabytes(model: nn.Module) -> float:
    """Of parameters and buffers, in 10^6 bytes."""
    tensors = {*model.parameters(), *model.buffers()}
    return sum(each.numel() * each.element_size() for each in tensors) / 1e6


def _own(module: nn.Module) -> list[nn.Parameter]:
    return list(module.parameters(recurse=False))


def _shape(output: Any) -> str:
    return " x ".join(map(str, output.shape[1:])) if isinstance(output, Tensor) else ""
