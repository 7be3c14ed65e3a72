"""A mask trained with PyTorch Lightning and segmentation-models-pytorch, as their documentation shows it.

Nothing of ours is in it but the samples: net, loss, optimizer, schedule, metric and loop are theirs.
"""

from __future__ import annotations

import logging
import time
import warnings
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import BinaryJaccardIndex

from cnnlib.datasets import Scenes
from tools.benchmarks.recipe import LEARNING_RATE, Finished, Recipe


class Pairs(Dataset[tuple[Tensor, Tensor]]):
    """The image and the mask of each sample of a split."""

    def __init__(self, samples: Any) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        sample = self.samples[index]
        return sample["image"], sample["mask"].value


class Unet(pl.LightningModule):
    def __init__(self, tuned: bool) -> None:
        super().__init__()
        self.tuned = tuned
        self.net = smp.Unet("resnet18", encoder_weights=None, in_channels=6, classes=1)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406] * 2).view(-1, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225] * 2).view(-1, 1, 1))
        self.iou = BinaryJaccardIndex()

    def forward(self, image: Tensor) -> Tensor:
        if self.tuned:
            image = image.contiguous(memory_format=torch.channels_last)
        return self.net((image - self.mean) / self.std)

    def training_step(self, batch: tuple[Tensor, Tensor], index: int) -> Tensor:
        image, mask = batch
        loss = nn.functional.binary_cross_entropy_with_logits(self(image), mask)
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], index: int) -> None:
        image, mask = batch
        logits = self(image)
        self.iou(logits.sigmoid(), mask.int())
        self.log("val_loss", nn.functional.binary_cross_entropy_with_logits(logits, mask))
        self.log("val_iou", self.iou)

    def configure_optimizers(self) -> dict[str, Any]:
        optimizer = torch.optim.AdamW(
            self.parameters(), lr=LEARNING_RATE, weight_decay=0.01, fused=self.tuned or None
        )
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer,
            LEARNING_RATE,
            total_steps=steps,
            pct_start=0.3,
            div_factor=25,
            final_div_factor=400,
            cycle_momentum=False,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class EpochClock(pl.Callback):
    """When training began, and when each epoch was over, its validation and checkpoints included."""

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.times: list[float] = []

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.times.append(time.perf_counter())

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.times.append(time.perf_counter())


def train(recipe: Recipe, seed: int, folder: Path, tuned: bool = False) -> Finished:
    """
    Args:
        tuned: in the engine's memory format, and with its fused optimizer.
    """
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    torch.manual_seed(seed)
    module = Unet(tuned)
    if tuned:
        module = module.to(memory_format=torch.channels_last)
    source = Scenes(**recipe.scenes)
    options = {"batch_size": recipe.batch_size, "num_workers": recipe.workers}
    options |= {"persistent_workers": recipe.workers > 0, "pin_memory": torch.cuda.is_available()}
    train_split = Pairs(source.split("train"))
    drop_last = len(train_split) > recipe.batch_size
    train_loader = DataLoader(train_split, shuffle=True, drop_last=drop_last, **options)
    val_loader = DataLoader(Pairs(source.split("val")), **options)
    clock = EpochClock()
    best = pl.callbacks.ModelCheckpoint(folder, monitor="val_iou", mode="max", save_last=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that more workers would load faster: both have as many
        trainer = pl.Trainer(
            accelerator="gpu" if torch.cuda.is_available() else "cpu",
            devices=1,
            precision=recipe.precision,
            max_epochs=recipe.epochs,
            num_sanity_val_steps=0,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[clock, best],
        )
        trainer.fit(module, train_loader, val_loader)
    return Finished(module.net, clock.times, float(trainer.callback_metrics["val_iou"]))
