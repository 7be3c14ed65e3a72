"""What models of the library have in common: what they are given is checked, and brought to a size that fits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeAlias

import torch.nn.functional as F
from annotated_types import Ge, Lt, MaxLen, MinLen
from torch import Tensor, nn

from cnnlib.checks import check_rank
from cnnlib.types import CnnlibError, Head, Size

Channels: TypeAlias = Annotated[int, Ge(1)]
Widths: TypeAlias = Annotated[Sequence[Channels], MinLen(1), MaxLen(12)]
Sides: TypeAlias = Annotated[Sequence[Annotated[int, Ge(1)]], MinLen(2), MaxLen(2)]
DropoutShare: TypeAlias = Annotated[float, Ge(0), Lt(1)]


def check_image(image: Tensor, in_channels: int) -> None:
    """Raises ``CnnlibError`` unless ``image`` is float (B, in_channels, H, W) with pixels."""
    check_rank(image, 4, "the image", "(B, C, H, W)")
    if image.shape[1] != in_channels:
        raise CnnlibError(
            f"the model takes images of {in_channels} channels; this one has {image.shape[1]} "
            f"(shape {tuple(image.shape)}): set the model's in_channels, or give it the image it was made for"
        )
    if not image.is_floating_point():
        raise CnnlibError(
            f"the model takes float images in [0, 1]; this one is {image.dtype}: divide it by 255"
        )
    if min(image.shape[2:]) == 0:
        raise CnnlibError(f"the image has no pixels: its shape is {tuple(image.shape)}")


def check_heads(heads: Mapping[str, Head]) -> None:
    """Raises ``CnnlibError`` for no heads, or a task's name that an ``nn.ModuleDict`` cannot hold."""
    if not heads:
        raise CnnlibError("heads must name at least one task, such as {'mask': Head('map', 1)}; it is empty")
    for task in heads:
        if not task or "." in task or hasattr(nn.ModuleDict(), task):
            raise CnnlibError(
                f"a task cannot be called {task!r}: its name becomes a module's, so it must not be empty, hold a dot "
                "or be a word of PyTorch's nn.ModuleDict; choose another name"
            )


def check_vector_heads(model: str, heads: Mapping[str, Head]) -> None:
    """``check_heads`` for a model that gives no maps; ``model`` is its name in the message."""
    check_heads(heads)
    for task, head in heads.items():
        if head.shape == "map":
            raise CnnlibError(
                f"{model} gives vectors alone, and the task {task!r} asks for a map: give the task a head that is a "
                "vector (points: head: coordinates), or take a model with a decoder"
            )


def check_batch(model: nn.Module, image: Tensor, stride: int, multiple: int = 1) -> None:
    """Raises ``CnnlibError`` for a batch of one image of which ``model``, in training, would leave one value to a batch
    normalisation.

    Args:
        stride: the image's size over that of the model's smallest map.
        multiple: the image is padded to sides that are multiples of it.
    """
    longer = -(-max(image.shape[2:]) // multiple) * multiple
    if not model.training or len(image) > 1 or longer > stride:
        return
    if any(isinstance(layer, nn.BatchNorm2d) for layer in model.modules()):
        height, width = image.shape[2:]
        raise CnnlibError(
            f"one image of {height} x {width} leaves a single value for the batch normalisation at the bottom; "
            f"train on more than one image per batch, or on images larger than {stride} pixels"
        )


def pad_to_multiple(image: Tensor, stride: int) -> Tensor:
    """(B, C, H, W) with sides that ``stride`` divides: the last row and column are repeated below and at the right."""
    size: Size = image.shape[2:]
    bottom, right = -size[0] % stride, -size[1] % stride
    if bottom == 0 and right == 0:
        return image
    return F.pad(image, (0, right, 0, bottom), mode="replicate")
