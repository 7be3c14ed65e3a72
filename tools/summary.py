"""Shows the layers of each distinct model of a config: output shapes, parameters, FLOPs, and the memory of a step.

python tools/summary.py configs/l1_depth.yaml
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import argparse
import sys
from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass, field, replace

from torch import nn

from cnnlib.assembly import describe_net, make_fabric, make_model, make_tasks, resolve_precision
from cnnlib.assembly.training import make_freezing, step_memory
from cnnlib.config import ExperimentConfig, build, load_suite
from cnnlib.config.command_line import add_config, positive
from cnnlib.datasets import DATASETS
from cnnlib.engine.memory import MemoryForecast
from cnnlib.models.layer_table import LayerRow, LayerTable, layer_table
from cnnlib.types import CnnlibError

_COLUMNS = "{:>26}  {:<48}  {:>32}  {:>12}"


@dataclass
class Summary:
    """One model, and what the experiments that train it need for it."""

    net: str
    image_shape: tuple[int, ...]
    table: LayerTable
    experiments: list[str] = field(default_factory=list)
    trained: dict[int, list[str]] = field(default_factory=dict)
    """So many parameters are trained in the epoch that trains the most of them, and the experiments where it is so."""
    memory: list[tuple[MemoryForecast, list[str]]] = field(default_factory=list)
    """What a step needs, and the experiments that need it."""


def main(arguments: list[str] | None = None) -> int:
    """0: shown; 2: the config, the data or the model is at fault."""
    options = _parser().parse_args(arguments)
    try:
        suite = load_suite(options.config, options.overrides)
        for summary in summaries(suite.experiments, options.size):
            print("\n".join(lines(summary, options.totals)), end="\n\n")
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_config(parser)
    parser.add_argument("--size", type=positive, help="image side (the data set's)")
    parser.add_argument("--totals", action="store_true", help="leave the table of layers out")
    return parser


def summaries(experiments: dict[str, ExperimentConfig], size: int | None) -> list[Summary]:
    """One for each distinct net and size of image, in the order of the experiments.

    Raises:
        CnnlibError: the data cannot be opened, their images have no size of their own, or a model refuses it.
    """
    found: dict[tuple[str, tuple[int, ...]], Summary] = {}
    for name, config in experiments.items():
        source = build(config.dataset, DATASETS)
        side = size or source.size
        if side is None:
            raise CnnlibError(f"dataset {config.dataset.name!r}: its images have no one size; give --size")
        tasks = make_tasks(config, source.targets)
        shape = (sum(source.inputs.values()), side, side)
        model = make_model(config, tasks, source.inputs)
        memory = _memory(config, model, shape)
        trained = sum(each.numel() for each in model.parameters() if each.requires_grad)
        net = describe_net(config, tasks, source.inputs)
        if (net, shape) not in found:
            found[net, shape] = Summary(net, shape, layer_table(model.to("meta").eval(), shape))
        found[net, shape].experiments.append(name)
        found[net, shape].trained.setdefault(trained, []).append(name)
        _add(found[net, shape].memory, memory, name)
    return list(found.values())


def _add(memory: list[tuple[MemoryForecast, list[str]]], new: MemoryForecast, experiment: str) -> None:
    for known, experiments in memory:
        if known == replace(new, free=known.free):  # what is free changes from one moment to the next
            experiments.append(experiment)
            return
    memory.append((new, [experiment]))


def _memory(config: ExperimentConfig, model: nn.Module, image_shape: Sequence[int]) -> MemoryForecast:
    """Of the epoch that trains the most, which the model is left in."""
    model.train()
    if freezing := make_freezing(config, model):
        freezing.apply(freezing.costliest_epoch)
    fabric = make_fabric(resolve_precision(config.training.precision))
    return step_memory(config, model, image_shape, fabric, config.training.batch_size)


def lines(summary: Summary, totals: bool) -> Iterator[str]:
    """What is printed."""
    yield summary.net
    yield f"in {', '.join(summary.experiments)}; one image is {_shape(summary.image_shape)}"
    rule = "-" * len(_COLUMNS.format("", "", "", ""))
    if not totals:
        yield rule
        yield _COLUMNS.format("Layer (type)", "Name", "Output shape", "Parameters")
        yield rule
        yield from (_row(number, row) for number, row in enumerate(summary.table.rows, 1))
        yield rule
    for trained, experiments in summary.trained.items():
        share = "all" if trained == summary.table.parameters else f"{trained:,}"
        yield f"{_of(experiments, summary.trained)}{summary.table.parameters:,} parameters, {share} trained"
    yield f"{summary.table.flops / 1e9:.3f} GFLOPs for one image (two for each multiplication and addition)"
    for memory, experiments in summary.memory:
        yield _of(experiments, summary.memory) + memory.words()


def _of(experiments: Sequence[str], all_: Sized) -> str:
    """Which experiments a line is about, where there are several lines."""
    return f"{', '.join(experiments)}: " if len(all_) > 1 else ""


def _row(number: int, row: LayerRow) -> str:
    shapes = ", ".join(map(_shape, row.shapes))
    return _COLUMNS.format(f"{row.kind}-{number}", row.name, shapes, f"{row.parameters:,}")


def _shape(shape: Sequence[int]) -> str:
    return " x ".join(map(str, shape)) or "1"


if __name__ == "__main__":
    sys.exit(main())
