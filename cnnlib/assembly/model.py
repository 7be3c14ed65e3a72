"""The network, and the device that it is computed on."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from cnnlib.config import ExperimentConfig, build
from cnnlib.engine.precision import best_precision
from cnnlib.models import MODELS
from cnnlib.models.standardization import standardize_images
from cnnlib.tasks import Task


def make_model(config: ExperimentConfig, tasks: Mapping[str, Task], inputs: Mapping[str, int]) -> nn.Module:
    """
    Raises:
        CnnlibError: the data set's ``normalize`` is set, and the model standardizes images itself.
    """
    heads, channels = {name: task.head for name, task in tasks.items()}, sum(inputs.values())
    model = build(config.model, MODELS, in_channels=channels, heads=heads)
    if config.dataset.normalize is not None:
        standardize_images(model, channels)
    return model


def shapes_of(
    config: ExperimentConfig, tasks: Mapping[str, Task], inputs: Mapping[str, int]
) -> dict[str, Tensor] | None:
    """The model's state without its values; ``None`` for a model from outside, which may not know that device."""
    if config.model.name not in MODELS:
        return None
    with torch.device("meta"):
        return make_model(config, tasks, inputs).state_dict()


def check_pretrained(config: ExperimentConfig, tasks: Mapping[str, Task], inputs: Mapping[str, int]) -> None:
    """Raises ``CnnlibError`` where the model would load weights from a file that is not there."""
    if hasattr(MODELS.get(config.model.name), "check_pretrained"):
        with torch.device("meta"):
            make_model(config, tasks, inputs).check_pretrained()


def describe_net(config: ExperimentConfig, tasks: Mapping[str, Task], inputs: Mapping[str, int]) -> str:
    """Which net it is, in a line: checkpoints carry it, and are refused by any other."""
    options = ", ".join(f"{name}={value}" for name, value in config.model.options.items())
    heads = ", ".join(f"{name} {task.head.shape} {task.head.channels}" for name, task in tasks.items())
    channels = f"{sum(inputs.values())} channels" + (", standardized," if config.dataset.normalize else "")
    return f"{config.model.name}({options}) from {channels} to {heads}"


def resolve_precision(precision: str) -> str:
    """What ``auto`` stands for here."""
    return best_precision(torch.device(_accelerator())) if precision == "auto" else precision


def make_fabric(precision: str) -> Fabric:
    """One device."""
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # environment.json records the precision
    return Fabric(accelerator=_accelerator(), devices=1, precision=precision)


def _accelerator() -> str:
    # Not Fabric's "auto", which takes Apple's GPU: it has no float64, which the metrics add up in.
    return "cuda" if torch.cuda.is_available() else "cpu"
