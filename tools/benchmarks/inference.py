"""The latency of a configuration's models on this machine."""

from __future__ import annotations

import argparse

import torch
from torch import Tensor

from cnnlib.assembly import make_fabric, make_model, make_tasks, resolve_precision
from cnnlib.config import Component, ExperimentConfig, build, load_suite
from cnnlib.config.command_line import add_config, positive
from cnnlib.datasets import DATASETS
from cnnlib.types import CnnlibError
from tools.benchmarks.timing import latency, machine

_BATCH_SIZES = (1, 32)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_inference)
    add_config(parser)
    parser.add_argument(
        "--encoder",
        action="append",
        default=[],
        metavar="NAME",
        help="a detector of this encoder as the model",
    )
    parser.add_argument("--size", type=positive, help="image side (the data set's)")
    parser.add_argument("--repeats", type=positive, default=50, help="timed calls for each batch size (50)")


def _inference(options: argparse.Namespace) -> None:
    suite = load_suite(options.config, options.overrides)
    print(f"milliseconds per image, {machine()}")
    print(f"{'':24} {'parameters':>11} {'size':>5}" + "".join(_columns(size) for size in _BATCH_SIZES))
    for name, config in suite.experiments.items():
        for encoder in options.encoder or [None]:
            label = (
                name if encoder is None else f"{name}, {encoder}" if len(suite.experiments) > 1 else encoder
            )
            print(latency_row(label, config, encoder, options.size, options.repeats), flush=True)


def _columns(batch_size: int) -> str:
    return f"  {f'batch {batch_size}: median':>16} {'p95':>8}"


def latency_row(
    name: str, config: ExperimentConfig, encoder: str | None, size: int | None, repeats: int
) -> str:
    """The model's parameters, and its latency for each batch size: forward and decoding, loading left out.

    Args:
        encoder: of a detector in the place of the config's model; ``None`` keeps that.

    Raises:
        CnnlibError: the config's data cannot be opened, their images have no size of their own, or the model refuses
    it.
    """
    if encoder is not None:
        model = Component(name="detector", options={"encoder": encoder})
        config = config.model_copy(update={"model": model})
    source = build(config.dataset, DATASETS)
    side = size or source.size
    if side is None:
        raise CnnlibError(f"dataset {config.dataset.name!r}: its images have no one size; give --size")
    fabric = make_fabric(resolve_precision(config.training.precision))
    tasks = make_tasks(config, source.targets)
    model = make_model(config, tasks, source.inputs).eval()
    model = model.to(fabric.device, memory_format=torch.channels_last)
    row = f"{name:24} {sum(value.numel() for value in model.parameters()):11,} {side:5}"
    for batch_size in _BATCH_SIZES:
        image = torch.rand(batch_size, sum(source.inputs.values()), side, side, device=fabric.device)
        image = image.contiguous(memory_format=torch.channels_last)

        def once(image: Tensor = image) -> None:
            with torch.inference_mode(), fabric.autocast():
                outputs = model(image)
                for task, raw in outputs.items():
                    tasks[task].decode(raw, (side, side))

        median, p95 = latency(once, repeats)
        row += f"  {1000 * median / batch_size:16.2f} {1000 * p95 / batch_size:8.2f}"
    return row
