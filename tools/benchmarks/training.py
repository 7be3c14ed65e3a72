"""The engine against a plain training loop: ResUNet on mask and depth."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from cnnlib.assembly import make_fabric, resolve_precision
from cnnlib.augmentations import Flip, Pipeline
from cnnlib.config.command_line import positive
from cnnlib.datasets import Scenes
from cnnlib.datasets.loading import training_loader
from cnnlib.engine.objective import Objective
from cnnlib.engine.optimizer import adamw
from cnnlib.engine.schedule import one_cycle
from cnnlib.engine.trainer import Trainer
from cnnlib.losses import BCELoss, CombinedLoss, L1Loss
from cnnlib.models import ResUNet
from cnnlib.reporting.progress import SilentProgress
from cnnlib.tasks import DepthTask, MaskTask
from cnnlib.types import Sample, TargetInfo
from cnnlib.weighting import Fixed


class PlainUpsample(nn.Upsample):
    """What ResUNet's table names, as torch has it."""

    def __init__(self) -> None:
        super().__init__(scale_factor=2, mode="bilinear", align_corners=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_training)
    parser.add_argument("--size", type=positive, default=96, help="image side (96)")
    parser.add_argument("--batch-size", type=positive, default=16)
    parser.add_argument("--batches", type=positive, default=6, help="batches per timed pass (6)")
    parser.add_argument("--repeats", type=positive, default=3, help="timed passes of each, in turns (3)")


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
