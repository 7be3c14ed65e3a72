"""The angle between directions."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from cnnlib.losses.base import Loss
from cnnlib.losses.reduction import mean_over_valid, valid_inputs


def cosine_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """``CosineLoss`` as a function.

    Args:
        pred, target: directions (B, 3, H, W), of any length.
        valid: bool (B, 1, H, W), or of the target's shape: then a pixel is valid where all its channels are.
    """
    if valid is not None and valid.shape == target[:, :1].shape:
        valid = valid.expand_as(target)
    pred, target, valid = valid_inputs(pred, target, valid)
    # Half the squared chord is 1 - cos, without the rounding that hides small angles.
    chord = _unit(pred) - _unit(target)
    return mean_over_valid(chord.square().sum(dim=1) / 2, valid.all(dim=1))


def _unit(vectors: Tensor) -> Tensor:
    """Each pixel's vector with length 1; one shorter than 0.000001 has no direction and stays short."""
    return vectors * vectors.square().sum(dim=1, keepdim=True).clamp(min=1e-12).rsqrt()


class CosineLoss(Loss):
    """One minus the cosine of the angle between predicted and true direction, for surface normals.

    The valid mask may have one channel, (B, 1, H, W).

    Formula: mean(1 - p·t / (|p| |t|))
    Range: [0, 2]
    Task: normals
    Source: torch.nn.functional.cosine_similarity; Bansal et al., Marr Revisited, CVPR 2016
    """

    tasks: ClassVar[frozenset[str]] = frozenset({"normals"})

    def forward(self, pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
        return cosine_loss(pred, target, valid)
