"""The angle between directions."""

from __future__ import annotations

from torch import Tensor

from cnnlib.losses.base import FunctionLoss
from cnnlib.losses.reduction import mean_over_valid, valid_inputs


def cosine_loss(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """One minus the cosine of the angle between predicted and true direction, for surface normals.

    Directions of any length stand along axis 1; one is valid where all its parts are.

    Formula: mean(1 - p·t / (|p| |t|))
    Range: [0, 2]
    Source: torch.nn.functional.cosine_similarity; Bansal et al., Marr Revisited, CVPR 2016
    """
    pred, target, valid = valid_inputs(pred, target, valid)
    # Half the squared chord is 1 - cos, without the rounding that hides small angles.
    chord = _unit(pred) - _unit(target)
    return mean_over_valid(chord.square().sum(dim=1) / 2, valid.all(dim=1))


class CosineLoss(FunctionLoss, function=cosine_loss, values={"directions"}): ...


def _unit(vectors: Tensor) -> Tensor:
    """Each vector with length 1; one shorter than 0.000001 has no direction and stays short."""
    return vectors * vectors.square().sum(dim=1, keepdim=True).clamp(min=1e-12).rsqrt()
