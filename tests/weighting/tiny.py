"""Three tasks on a net of 200 parameters without batch norm or dropout, trained by plain gradient descent."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from cnnlib.datasets.loading import evaluation_loader, training_loader
from cnnlib.engine.freezing import Freezing
from cnnlib.engine.objective import Objective
from cnnlib.engine.optimizer import sgd
from cnnlib.engine.schedule import constant
from cnnlib.engine.trainer import Trainer
from cnnlib.losses import BCELoss, CombinedLoss, CosineLoss, L1Loss
from cnnlib.models.layers import SequentialEncoder
from cnnlib.tasks import DepthTask, MaskTask, NormalsTask, Task
from cnnlib.types import Batch, Sample, Target, TargetInfo, TaskWeighting
from tests.engine.tiny import Recorder

TASKS: Mapping[str, Task] = {
    "mask": MaskTask(TargetInfo("mask")),
    "depth": DepthTask(TargetInfo("depth")),
    "normals": NormalsTask(TargetInfo("normals")),
}
WEIGHTS = {"mask": 2.0, "depth": 0.5, "normals": 1.0}
RATE = 0.05
NET = "a tiny net"


class Net(nn.Module):
    """Two stages that all tasks share, and a head for each."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = SequentialEncoder(
            nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh()),
            nn.Sequential(nn.Conv2d(4, 4, 1), nn.Tanh()),
        )
        self.heads = nn.ModuleDict(
            {name: nn.Conv2d(4, task.head.channels, 1) for name, task in TASKS.items()}
        )

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        features = self.encoder(image)
        return {name: head(features) for name, head in self.heads.items()}

    def shared_parameters(self) -> Any:
        return self.encoder.parameters()


class NoisyNet(Net):
    """With batch norm and dropout: statistics outside of the parameters, and randomness in the forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = SequentialEncoder(
            nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Tanh()),
            nn.Sequential(nn.Conv2d(4, 4, 1), nn.Tanh(), nn.Dropout(0.2)),
        )


class Samples:
    """``length`` images, each 5 x 5; the targets follow from the image. Every third has no depth."""

    def __init__(self, length: int = 12, all_labelled: bool = False) -> None:
        self.length, self.all_labelled = length, all_labelled

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Sample:
        return make_sample(index, () if self.all_labelled or index % 3 else ("depth",))


def make_sample(index: int, without: Collection[str] = ()) -> Sample:
    generator = torch.Generator().manual_seed(index)
    image = torch.rand(3, 5, 5, generator=generator)
    values = {
        "mask": (image[:1] > 0.6).float(),
        "depth": 1 + 4 * image[1:2],
        "normals": nn.functional.normalize(image - 0.5, dim=0),
    }
    targets = {
        name: Target(value, torch.full((1, 5, 5), name not in without)) for name, value in values.items()
    }
    return {"image": image, "name": f"{index}", **targets}


def make_batch(indices: Sequence[int], without: Collection[str] = ()) -> Batch:
    samples = [make_sample(index, without) for index in indices]
    targets = {
        name: Target(*(torch.stack(each) for each in zip(*(sample[name] for sample in samples), strict=True)))
        for name in TASKS
    }
    images = torch.stack([sample["image"] for sample in samples])
    return {"image": images, "name": [sample["name"] for sample in samples], **targets}


def same(sample: Sample) -> Sample:
    return sample


class Nothing:
    """A split metric that every net is equally good at."""

    explanations: Mapping[str, str] = {}

    def update(self, *_: Any) -> None: ...

    def compute(self) -> Mapping[str, float]:
        return dict.fromkeys(("iou", "mae", "median"), 0.5)

    def reset(self) -> None: ...


def make_trainer(folder: Path, weighting: TaskWeighting, **options: Any) -> Trainer:
    torch.manual_seed(0)
    fabric = options.pop("fabric", None)
    fabric = fabric or Fabric(accelerator="cpu", devices=1, precision=options.pop("precision", "32-true"))
    recorder = options.pop("recorder", None) or Recorder()
    weights = options.pop("weights", WEIGHTS)
    net = options.pop("net", Net)()
    optimizer = sgd(net.parameters(), learning_rate=RATE, momentum=options.pop("momentum", 0.0))
    freezing, trained = None, options.pop("trained_stages", None)
    if trained is not None:
        freezing = Freezing(net, {1: trained})
    schedule = constant(optimizer, 100)
    model, optimizer = fabric.setup(net, optimizer)
    losses = {
        "mask": CombinedLoss({"bce": (BCELoss(), 1.0, "logits")}),
        "depth": CombinedLoss({"l1": (L1Loss(), 1.0, "lengths")}),
        "normals": CombinedLoss({"cosine": (CosineLoss(), 1.0, "directions")}),
    }
    return Trainer(
        fabric,
        model,
        optimizer,
        Objective(TASKS, losses, weights),
        schedule,
        {name: Nothing() for name in TASKS},
        folder,
        NET,
        epochs=options.pop("epochs", 3),
        seed=7,
        progress=recorder,
        weighting=weighting,
        freezing=freezing,
        **options,
    )


def take_step(trainer: Trainer, batches: Sequence[Batch], index: int, epoch: int = 1) -> None:
    trainer.begin_step(batches, epoch, index)
    for batch in batches:
        trainer.backward(batch)
    trainer.step()


def parameters(trainer: Trainer) -> Tensor:
    return torch.cat([each.detach().flatten() for each in trainer.model.module.parameters()])


def train_loader(all_labelled: bool = False) -> Any:
    return training_loader(Samples(12, all_labelled), same, 2, 0, seed=0)


def val_loader() -> Any:
    return evaluation_loader(Samples(4, True), same, 4, 0)


def losses_by_hand(net: nn.Module, batch: Batch) -> dict[str, Tensor]:
    """Of a float64 net, each times its weight; of the tasks with a label alone."""
    outputs = net(batch["image"].double())
    depth = batch["depth"].value.double()
    normals = nn.functional.cosine_similarity(outputs["normals"], batch["normals"].value.double(), dim=1)
    pred = TASKS["depth"].decode(outputs["depth"], (5, 5))
    losses = {
        "mask": nn.functional.binary_cross_entropy_with_logits(outputs["mask"], batch["mask"].value.double()),
        "depth": (pred - depth).abs().mean(),
        "normals": (1 - normals).mean(),
    }
    return {name: WEIGHTS[name] * loss for name, loss in losses.items() if batch[name].valid.any()}
