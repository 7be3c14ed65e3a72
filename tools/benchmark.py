"""Times training against the plain way, in one process, and the latency of models on this machine.

python tools/benchmark.py training
python tools/benchmark.py inference configs/l1_depth.yaml
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from cnnlib.assembly import make_fabric, make_model, make_tasks, resolve_precision
from cnnlib.augmentations import Flip, Pipeline
from cnnlib.config import Component, ExperimentConfig, build, load_suite
from cnnlib.config.command_line import add_config, positive
from cnnlib.datasets import DATASETS, Scenes
from cnnlib.datasets.loading import training_loader
from cnnlib.engine.objective import Objective
from cnnlib.engine.optimizer import adamw
from cnnlib.engine.schedule import one_cycle
from cnnlib.engine.trainer import Trainer
from cnnlib.losses import BCELoss, CombinedLoss, L1Loss
from cnnlib.models import ResUNet
from cnnlib.reporting.progress import SilentProgress
from cnnlib.tasks import DepthTask, MaskTask
from cnnlib.types import CnnlibError, Sample, TargetInfo
from cnnlib.weighting import Fixed

_BATCH_SIZES = (1, 32)
_WARM_UP = 3
"""Calls that are not timed: the first ones allocate, and choose algorithms."""


class PlainUpsample(nn.Upsample):
    """What ResUNet's table names, as torch has it."""

    def __init__(self) -> None:
        super().__init__(scale_factor=2, mode="bilinear", align_corners=True)


def main(arguments: list[str] | None = None) -> int:
    """0: timed; 2: the config or an option is at fault."""
    options = _parser().parse_args(arguments)
    try:
        options.run(options)
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    what = parser.add_subparsers(required=True)
    training = what.add_parser("training", help="the engine against a plain loop")
    training.set_defaults(run=_training)
    training.add_argument("--size", type=positive, default=96, help="image side (96)")
    training.add_argument("--batch-size", type=positive, default=16)
    training.add_argument("--batches", type=positive, default=6, help="batches per timed pass (6)")
    training.add_argument("--repeats", type=positive, default=3, help="timed passes of each, in turns (3)")
    inference = what.add_parser("inference", help="latency of the models of a config")
    inference.set_defaults(run=_inference)
    add_config(inference)
    inference.add_argument(
        "--encoder",
        action="append",
        default=[],
        metavar="NAME",
        help="a detector of this encoder as the model",
    )
    inference.add_argument("--size", type=positive, help="image side (the data set's)")
    inference.add_argument(
        "--repeats", type=positive, default=50, help="timed calls for each batch size (50)"
    )
    return parser


# Inference


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


def machine() -> str:
    """What the figures depend on beside the model."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"CPU, {os.cpu_count()} cores, threads: {torch.get_num_threads()}"


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


def latency(call: Callable[[], None], repeats: int) -> tuple[float, float]:
    """Median and 95th percentile of the seconds that a call takes, when warm."""
    for _ in range(_WARM_UP):
        call()
    seconds = []
    for _ in range(repeats):
        _finish_pending()
        began = time.perf_counter()
        call()
        _finish_pending()
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds)), float(np.percentile(seconds, 95))


def _finish_pending() -> None:
    """A GPU returns before it is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


# Training


def _training(options: argparse.Namespace) -> None:
    count = options.batches * options.batch_size
    scenes = Scenes(size=options.size, train=count, val=1, test=1)
    compare_training(scenes, options.batch_size, options.repeats)


def compare_training(scenes: Scenes, batch_size: int, repeats: int) -> None:
    """Images per second of a plain float32 loop and of the engine: same net, data, batches; loading included.

    The two take turns, so that a machine that slows down slows both; the median of the passes counts.
    """
    train = scenes.split("train")
    with tempfile.TemporaryDirectory() as folder:
        ways = {
            "plain loop": PlainLoop(train, batch_size),
            "engine": EngineLoop(train, batch_size, Path(folder)),
        }
        for way in ways.values():
            way.one_epoch()
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(repeats):
            for name, way in ways.items():
                began = time.perf_counter()
                way.one_epoch()
                seconds[name].append(time.perf_counter() - began)
    speed = {name: len(train) / statistics.median(times) for name, times in seconds.items()}
    for name, value in speed.items():
        print(f"{name:12} {value:8.2f} images/s   {ways[name].note}")
    print(f"{'ratio':12} {speed['engine'] / speed['plain loop']:8.2f}")


class PlainLoop:
    """What one writes in ten minutes: float32, NCHW, AdamW, loading in the loop's own process."""

    note = "float32, NCHW"

    def __init__(self, train: object, batch_size: int) -> None:
        torch.manual_seed(0)
        self.model = with_plain_upsampling(ResUNet())
        self.loader = DataLoader(
            train, batch_size=batch_size, shuffle=True, drop_last=True, collate_fn=self._stacked
        )
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.depth = DepthTask(TargetInfo("depth"))

    def one_epoch(self) -> None:
        self.model.train()
        for batch in self.loader:
            image, mask, depth = batch
            if torch.rand(()) < 0.5:
                image, mask, depth = (tensor.flip(-1) for tensor in (image, mask, depth))
            outputs = self.model(image)
            loss = nn.functional.binary_cross_entropy_with_logits(outputs["mask"], mask)
            loss = loss + nn.functional.l1_loss(self.depth.decode(outputs["depth"], image.shape[-2:]), depth)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()

    def _stacked(self, samples: list[Sample]) -> list[Tensor]:
        entries = [(sample["image"], sample["mask"].value, sample["depth"].value) for sample in samples]
        return [torch.stack(each) for each in zip(*entries, strict=True)]


class EngineLoop:
    """The same through the library: its loader, pipeline, precision, memory format, fused optimizer and upsampling."""

    def __init__(self, train: object, batch_size: int, folder: Path) -> None:
        torch.manual_seed(0)
        tasks = {"mask": MaskTask(TargetInfo("mask")), "depth": DepthTask(TargetInfo("depth"))}
        precision = resolve_precision("auto")
        fabric = make_fabric(precision)
        self.note = f"{precision}, channels_last"
        bare = ResUNet().to(memory_format=torch.channels_last)
        optimizer = adamw(bare.parameters())
        schedule = one_cycle(optimizer, total_steps=100_000)
        model, optimizer = fabric.setup(bare, optimizer)
        losses = {
            "mask": CombinedLoss({"bce": (BCELoss(), 1.0, "logits")}),
            "depth": CombinedLoss({"l1": (L1Loss(), 1.0, "lengths")}),
        }
        objective = Objective(tasks, losses, {"mask": 1.0, "depth": 1.0})
        self.loader = training_loader(train, Pipeline([Flip()], tasks), batch_size, workers=1, seed=0)
        self.trainer = Trainer(
            fabric,
            model,
            optimizer,
            objective,
            schedule,
            {},
            folder,
            "ResUNet",
            epochs=1,
            seed=0,
            progress=SilentProgress(),
            weighting=Fixed(tuple(tasks)),
        )
        self.epoch = 0

    def one_epoch(self) -> None:
        self.epoch += 1
        self.trainer.train_epoch(self.loader, self.epoch)


def with_plain_upsampling(model: nn.Module) -> nn.Module:
    """The same net with torch's own upsampling in place of the library's."""
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if type(child).__name__ == "Upsample":
                setattr(parent, name, PlainUpsample())
    return model


if __name__ == "__main__":
    sys.exit(main())
