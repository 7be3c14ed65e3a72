"""The journal's net: a U-Net with residual blocks in the encoder and one decoder a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch.nn.functional as F
from torch import Tensor, nn

from cnnlib.checks import check_rank, check_whole
from cnnlib.models.layers import DoubleConv, ResBlock, UpBlock
from cnnlib.types import CnnlibError, Outputs

_MASK_AND_DEPTH: Mapping[str, int] = MappingProxyType({"mask": 1, "depth": 1})


class ResUNet(nn.Module):
    """Image (B, in_channels, H, W) -> ``{task: logits (B, channels, H, W)}``, for any H and W.

    With its defaults it is the journal's net, layer for layer: 11,033,922 parameters. The encoder follows
    Diakogiannis et al., "ResUNet-a", 2019 (arXiv:1904.00592) in spirit: residual blocks, each followed by
    max pooling. A ``DoubleConv`` of twice the last width stands at the bottom. Every task has a decoder of its
    own, which upsamples (bilinear, ``align_corners=True``), joins the skip of its level and convolves.

    Images whose sides are no multiples of ``stride`` (2 a level) are padded at the right and at the bottom by
    repeating their last column and row, and the logits are cropped to the image's size again.

    Args:
        in_channels: channels of the image: 6 for a background and a foreground on it.
        outputs: name and number of channels of each task, in the order in which ``forward`` gives them.
        widths: channels of the encoder's levels, from fine to coarse; there may be any number of levels.

    Raises:
        CnnlibError: for channels or widths that are not positive integers, no widths, no outputs, or an output's
            name that PyTorch cannot give to a module.
    """

    def __init__(
        self,
        in_channels: int = 6,
        outputs: Mapping[str, int] = _MASK_AND_DEPTH,
        widths: Sequence[int] = (32, 64, 128, 256),
    ) -> None:
        super().__init__()
        _check_arguments(in_channels, outputs, widths)
        self.in_channels = in_channels
        self.outputs = dict(outputs)
        self.stride = 2 ** len(widths)
        bottom = 2 * widths[-1]
        self.encoder = nn.ModuleList(map(ResBlock, [in_channels, *widths[:-1]], widths))
        self.bottleneck = DoubleConv(widths[-1], bottom)
        self.decoders = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        for task, channels in outputs.items():
            skips = widths[::-1]
            self.decoders[task] = nn.ModuleList(map(UpBlock, [bottom, *skips[:-1]], skips, skips))
            self.heads[task] = nn.Conv2d(widths[0], channels, kernel_size=1)

    def forward(self, image: Tensor) -> Outputs:
        """Raises ``CnnlibError`` for an image that the net cannot take."""
        self._check_image(image)
        height, width = image.shape[2:]
        x = _pad_to_multiple(image, self.stride)
        skips = []
        for block in self.encoder:
            x, skip = block(x)
            skips.append(skip)
        bottom = self.bottleneck(x)
        logits = {}
        for task in self.outputs:
            x = bottom
            for block, skip in zip(self.decoders[task], reversed(skips), strict=True):
                x = block(x, skip)
            logits[task] = self.heads[task](x)[..., :height, :width]
        return logits

    def _check_image(self, image: Tensor) -> None:
        check_rank(image, 4, "the image", "(B, C, H, W)")
        if image.shape[1] != self.in_channels:
            raise CnnlibError(
                f"the model takes images of {self.in_channels} channels; this one has {image.shape[1]} "
                f"(shape {tuple(image.shape)}): set the model's in_channels, or give it the image it was made for"
            )
        if not image.is_floating_point():
            raise CnnlibError(
                f"the model takes float images in [0, 1]; this one is {image.dtype}: divide it by 255"
            )
        b, _, height, width = image.shape
        if min(height, width) == 0:
            raise CnnlibError(f"the image has no pixels: its shape is {tuple(image.shape)}")
        if self.training and b == 1 and max(height, width) <= self.stride:
            raise CnnlibError(
                f"one image of {height} x {width} leaves a single value for the batch normalisation at the bottom; "
                f"train on more than one image a batch, or on images larger than {self.stride} pixels"
            )


class ResUNetLite(ResUNet):
    """A ``ResUNet`` of two levels: a quarter of the parameters, 2,634,882 by default."""

    def __init__(
        self,
        in_channels: int = 6,
        outputs: Mapping[str, int] = _MASK_AND_DEPTH,
        widths: Sequence[int] = (64, 128),
    ) -> None:
        super().__init__(in_channels, outputs, widths)


def _pad_to_multiple(image: Tensor, stride: int) -> Tensor:
    bottom, right = -image.shape[2] % stride, -image.shape[3] % stride
    if bottom == 0 and right == 0:
        return image
    return F.pad(image, (0, right, 0, bottom), mode="replicate")


def _check_arguments(in_channels: int, outputs: Mapping[str, int], widths: Sequence[int]) -> None:
    if not widths:
        raise CnnlibError(
            "widths must name the channels of at least one level, such as [64, 128]; it is empty"
        )
    if not outputs:
        raise CnnlibError(
            "outputs must name at least one task and its channels, such as {'mask': 1}; it is empty"
        )
    counts = {"in_channels": in_channels}
    counts |= {f"outputs[{task!r}]": channels for task, channels in outputs.items()}
    counts |= {f"widths[{level}]": width for level, width in enumerate(widths)}
    for what, count in counts.items():
        check_whole(what, count, 1)
    for task in outputs:
        if not task or "." in task or hasattr(nn.ModuleDict(), task):
            raise CnnlibError(
                f"a task cannot be called {task!r}: its name becomes a module's, so it must not be empty, hold a dot "
                "or be a word of PyTorch's nn.ModuleDict; choose another name"
            )
