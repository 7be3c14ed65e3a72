"""Any model on images that are standardized by the data's own channel statistics."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cnnlib.models.base import check_image
from cnnlib.types import CnnlibError

_MEAN, _STD = "image_mean", "image_std"


def standardize_images(model: nn.Module, channels: int) -> None:
    """From now on ``model`` sees images (B, C, H, W) less the mean, over the deviation, of each of the ``channels``.

    Mean and std, 0 and 1 at first, are buffers of the model: a checkpoint holds them beside the weights that were
    trained with them, and what takes over the weights takes them over too.

    Raises:
        CnnlibError: the model standardizes images itself.
    """
    if getattr(model, "standardizes", False):
        raise CnnlibError(
            "dataset.normalize: auto: the model standardizes images inside, by the channel statistics of its encoder's "
            "published weights; leave normalize out"
        )
    model.register_buffer(_MEAN, torch.zeros(channels, 1, 1))
    model.register_buffer(_STD, torch.ones(channels, 1, 1))
    model.register_forward_pre_hook(_standardized)


def set_channel_statistics(model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
    """Of each channel, to a model that ``standardize_images`` was called for; a deviation of 0 is taken for 1."""
    for name, values in ((_MEAN, mean), (_STD, [value or 1.0 for value in std])):
        buffer = getattr(model, name)
        buffer.copy_(torch.tensor(values, dtype=torch.float64).view_as(buffer))


def channel_statistics_of(model: nn.Module) -> dict[str, list[float]] | None:
    """What ``set_channel_statistics`` set: ``mean`` and ``std``; ``None`` for a model that sees images as they are."""
    if not hasattr(model, _MEAN):
        return None
    return {"mean": getattr(model, _MEAN).flatten().tolist(), "std": getattr(model, _STD).flatten().tolist()}


def _standardized(model: nn.Module, arguments: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    image, *others = arguments
    check_image(image, len(getattr(model, _MEAN)))
    return ((image - getattr(model, _MEAN)) / getattr(model, _STD), *others)
