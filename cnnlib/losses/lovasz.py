"""The Lovász hinge: a convex surrogate of the intersection over union."""

from __future__ import annotations

import torch
from torch import Tensor

from cnnlib.losses.base import FunctionLoss
from cnnlib.losses.reduction import mean_over_images, valid_maps


def lovasz_loss(logits: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """Lovász hinge: the convex extension of the Jaccard loss to hinge errors, image by image.

    An image without foreground costs the hinge of its worst pixel.

    Formula: Σ h_i · ΔJ_i, hinges h = max(0, 1 - logit · (2 t - 1)) sorted from the largest, ΔJ_i what the i-th pixel
        adds to 1 - IoU
    Range: [0, ∞)
    Source: Berman et al., The Lovász-Softmax loss, CVPR 2018; segmentation_models_pytorch
    """
    logits, target, valid = valid_maps(logits, target, valid)
    # A pixel that is not valid has a hinge of 0 and so comes after all that count.
    hinge = torch.where(valid, 1 - logits * (2 * target - 1), 0.0).relu().flatten(2)  # (B, C, H * W)
    hinge, order = hinge.sort(dim=-1, descending=True)
    steps = _jaccard_steps(target.flatten(2).gather(-1, order))
    return mean_over_images((hinge * steps).sum(dim=-1), valid)


class LovaszLoss(FunctionLoss, function=lovasz_loss, values={"logits"}, needs_map=True): ...


def _jaccard_steps(foreground: Tensor) -> Tensor:
    """How much each pixel adds to the Jaccard loss if all up to it are wrong: the extension's gradient.

    ``foreground`` is 0 or 1, (B, C, N), the worst pixel first.
    """
    positives = foreground.sum(dim=-1, keepdim=True)
    intersection = positives - foreground.cumsum(dim=-1)
    union = positives + (1 - foreground).cumsum(dim=-1)
    return (1 - intersection / union).diff(dim=-1, prepend=torch.zeros_like(positives))
