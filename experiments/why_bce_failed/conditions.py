"""The journal's mistakes, rebuilt. They live here, and nowhere in the library.

The library's own pipeline cannot make the first (geometry moves an image and its targets together), nor the second
(every picture goes through ``Task.decode``), so both come in from outside, as a data set and as a task.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from cnnlib.datasets import Scenes
from cnnlib.losses import DiceLoss
from cnnlib.tasks import MaskTask
from cnnlib.types import Sample, SampleSource, Size, Split


class UnalignedScenes(Scenes):
    """Scenes whose two pictures are each flipped on their own in the training split; the targets stay."""

    def split(self, part: Split) -> SampleSource:
        source = super().split(part)
        return _IndependentFlips(source) if part == "train" else source


@dataclass
class _IndependentFlips:
    source: SampleSource

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        sample = self.source[index]
        pictures = [
            picture.flip(-1) if torch.rand(()) < 0.5 else picture for picture in sample["image"].split(3)
        ]
        return sample | {"image": torch.cat(pictures)}


class RawMask(MaskTask):
    """A mask that is whatever the net put out: no activation, neither in the loss nor in the file."""

    file_note = "8-bit PNG: the raw output times 255, modulo 256"

    def decode(self, raw: Tensor, size: Size) -> Tensor:
        return raw.float()

    def store(self, prediction: Tensor, valid: Tensor | None = None) -> np.ndarray:
        """What ``astype`` does to a number that no byte can hold: it wraps."""
        return (prediction[0].numpy() * 255).astype(np.int64).astype(np.uint8)

    def load(self, stored: np.ndarray) -> Tensor:
        return torch.from_numpy(stored.astype(np.float32) / 255)[None]


class DiceOnLogits(DiceLoss):
    """Dice with its own sigmoid, as the article that the journal cites has it; what is saved stays raw."""

    values: ClassVar[frozenset[str]] = frozenset({"logits"})

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return super().forward(torch.sigmoid(pred), target, valid)
