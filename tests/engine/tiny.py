"""A problem that trains in milliseconds: depth is a smooth function of a random image."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from cnnlib.datasets.loading import evaluation_loader, training_loader
from cnnlib.engine.freezing import Freezing
from cnnlib.engine.objective import Objective
from cnnlib.engine.optimizer import adamw
from cnnlib.engine.schedule import one_cycle
from cnnlib.engine.trainer import Trainer
from cnnlib.models.layers import SequentialEncoder
from cnnlib.tasks import DepthTask
from cnnlib.types import LossInputs, Sample, Size, Target, TargetInfo
from cnnlib.weighting import Fixed


class Samples:
    """``length`` images of noise; the depth is 1 to 3 metres, by the image's mean over its channels."""

    def __init__(self, length: int = 24, size: int = 8) -> None:
        generator = torch.Generator().manual_seed(length)
        self.images = torch.rand(length, 6, size, size, generator=generator)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Sample:
        image = self.images[index]
        depth = 1 + 2 * image.mean(0, keepdim=True)
        return {
            "image": image,
            "depth": Target(depth, torch.ones_like(depth, dtype=torch.bool)),
            "name": f"{index}",
        }


def noisy(sample: Sample) -> Sample:
    """A random augmentation that any mistake in seeding shows up in."""
    return sample | {"image": (sample["image"] + 0.05 * torch.randn(sample["image"].shape)).clamp(0, 1)}


def same(sample: Sample) -> Sample:
    return sample


class L1(nn.Module):
    """Stands in for the library's combined losses, which the engine receives built."""

    def forward(self, inputs: Callable[[str], LossInputs], image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        pred, target, valid = inputs("lengths")
        loss = (pred - target).abs()[valid].mean()
        return loss, {"l1": loss}


class MeanError:
    """A split metric: the mean absolute error."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.errors: list[Tensor] = []

    explanations: ClassVar[Mapping[str, str]] = {"mae": "mean absolute error"}

    def update(self, pred: Tensor, target: Tensor, valid: Tensor, size: Size) -> None:
        self.errors.append((pred - target).abs().flatten(1).mean(1).double())

    def compute(self) -> Mapping[str, float]:
        return {"mae": float(torch.cat(self.errors).mean())}

    def per_image(self) -> Mapping[str, Tensor]:
        return {"mae": torch.cat(self.errors)}


class Net(nn.Module):
    """Batch norm and dropout: state that lives outside of the parameters, and randomness in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(6, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(8, 1, 1)
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"depth": self.body(image)}


class StagedNet(nn.Module):
    """An encoder of three such stages, a decoder and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = SequentialEncoder(*map(_stage, (6, 8, 8)))
        self.decoders = nn.ModuleDict({"depth": nn.Conv2d(8, 8, 3, padding=1)})
        self.heads = nn.ModuleDict({"depth": nn.Conv2d(8, 1, 1)})

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"depth": self.heads["depth"](self.decoders["depth"](self.encoder(image)).relu())}


def _stage(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1))


NET = "a tiny net"


class Recorder:
    """A progress display and a logger in one, for tests; fails on request in the middle of an epoch."""

    def __init__(self, fail_at: tuple[int, int] | None = None) -> None:
        self.fail_at = fail_at
        self.rows: list[dict[str, float]] = []
        self.done = 0

    def start(self, epochs: int, steps: int, done: int) -> None:
        self.done = done

    def steps_done(self, steps: int, loss: float, images_per_second: float) -> None:
        if self.fail_at and self.done + 1 == self.fail_at[0] and steps >= self.fail_at[1]:
            raise KeyboardInterrupt

    def epoch_done(self, numbers: Mapping[str, float]) -> None:
        self.done += 1

    def stop(self) -> None: ...

    def log_scalars(self, scalars: Mapping[str, float], step: int) -> None:
        self.rows.append(dict(scalars))


def make_trainer(folder: Path, recorder: Recorder | None = None, **options: Any) -> Trainer:
    torch.manual_seed(0)
    recorder = recorder or Recorder()
    fabric = Fabric(accelerator="cpu", devices=1)
    net = options.pop("net", Net)()
    build = options.pop("optimizer", adamw)
    optimizer = build(net.parameters(), learning_rate=options.pop("learning_rate", 0.02))
    trained = options.pop("trained", None)
    freezing = None if trained is None else Freezing(net, trained)
    epochs = options.pop("epochs", 4)
    schedule = options.pop("schedule", one_cycle)(optimizer, total_steps=epochs * 6)
    model, optimizer = fabric.setup(net, optimizer)
    tasks = {"depth": DepthTask(TargetInfo("depth"))}
    objective = Objective(tasks, {"depth": L1()}, {"depth": 1.0})
    return Trainer(
        fabric,
        model,
        optimizer,
        objective,
        schedule,
        {"depth": MeanError()},
        folder,
        NET,
        epochs=epochs,
        seed=0,
        progress=recorder,
        weighting=Fixed(("depth",)),
        freezing=freezing,
        **options,
    )


def train_loader(batch_size: int = 4, workers: int = 0, transform=noisy):
    return training_loader(Samples(24), transform, batch_size, workers, seed=0)


def val_loader():
    return evaluation_loader(Samples(10), same, 4, 0)
