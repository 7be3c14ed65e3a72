"""What a net of timm gives, measured by one image on the "meta" device."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from cnnlib.checks import did_you_mean
from cnnlib.models.layers.foreign_error import one_line
from cnnlib.types import CnnlibError

_BLOCKS = 4


class Block(NamedTuple):
    """What a vision transformer gives after one of its blocks."""

    map: Tensor
    """(B, C, h, w)"""
    tokens: Tensor | None
    """(B, n, C), of no place; ``None`` where the net has no such."""


@dataclass(frozen=True)
class Layout:
    """What a net of timm gives.

    Attributes:
        skip_channels, out_channels, stride: as ``TimmEncoder`` has them.
        skips: for each of ``skip_channels`` the index of the map in the net's list, or ``None``.
        last: the index of the last map of the net's list.
        final: the bottom is what the net itself ends with, not the last map, normalised.
        unused: the modules that the bottom does not depend on.
        blocks: where all maps are of one shape, the indices of four that lie evenly.
    """

    skip_channels: tuple[int, ...]
    out_channels: int
    stride: int
    skips: tuple[int | None, ...]
    last: int
    final: bool
    unused: tuple[str, ...] = ()
    blocks: tuple[int, ...] = ()

    def run(self, net: nn.Module, image: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        """The bottom and the skips, as the net gives them."""
        taken = sorted({*(index for index in self.skips if index is not None), self.last})
        end, found = net.forward_intermediates(image, indices=taken, norm=not self.final, output_fmt="NCHW")
        maps = dict(zip(taken, found, strict=True))
        bottom = end if self.final else maps[self.last]
        return bottom, [None if index is None else maps[index] for index in self.skips]

    def check(self, bottom: Tensor, skips: Sequence[Tensor | None], side: int) -> None:
        """Raises ``ValueError`` unless these have the layout's shapes for an image with sides of ``side`` pixels."""
        expected = [*zip(skips, self.skip_channels, strict=True), (bottom, self.out_channels)]
        strides = [*(2**level for level in range(len(skips))), self.stride]
        for (each, channels), stride in zip(expected, strides, strict=True):
            if each is not None and (
                each.ndim != 4 or each.shape[1] != channels or _stride(side, each.shape[-1]) != stride
            ):
                raise ValueError(
                    f"it gives {tuple(each.shape)}, and not {channels} channels of stride {stride}"
                )

    def run_blocks(self, net: nn.Module, image: Tensor) -> list[Block]:
        """The maps of ``blocks``, the last one normalised."""
        prefix = {"return_prefix_tokens": True} if token_count(net) else {}
        end, found = net.forward_intermediates(
            image, indices=list(self.blocks), norm=False, output_fmt="NCHW", **prefix
        )
        blocks = [Block(*each) if prefix else Block(each, None) for each in found]
        last, count = blocks[-1].map, token_count(net)
        bottom = end[:, count:].transpose(1, 2).reshape(last.shape)
        return [*blocks[:-1], Block(bottom, end[:, :count] if prefix else None)]


@cache
def measure(name: str, in_channels: int) -> Layout:
    """Shows an image to the net, on the "meta" device, where it costs next to nothing; and once more, padded as models
    do it, without what is left out.

    Raises:
        CnnlibError: timm has no such net, or it cannot be used as an encoder.
    """
    try:
        with torch.device("meta"):
            net = create_net(name, in_channels).eval()
            side = net.pretrained_cfg["input_size"][1]
            image = torch.empty(2, in_channels, side, side)
            with torch.no_grad():
                layout = _layout(*net.forward_intermediates(image, output_fmt="NCHW"), side)
            with torch.enable_grad():
                layout.run(net, image)[0].sum().backward()
            layout = replace(layout, unused=_unused(net))
            leave_out(net, layout.unused)
            padded = -(-side // layout.stride) * layout.stride
            with torch.no_grad():
                image = torch.empty(2, in_channels, padded, padded)
                layout.check(*layout.run(net, image), padded)
    except CnnlibError:
        raise
    except Exception as error:  # a net of timm may lack or refuse any of this in its own way
        raise CnnlibError(
            f"timm's {name!r} cannot be used as an encoder ({one_line(error)}); take another, such as "
            "efficientnet_b0 or resnet18"
        ) from error
    return layout


def _layout(end: Any, maps: Sequence[Tensor], side: int) -> Layout:
    last = maps[-1]
    final = isinstance(end, Tensor) and end.ndim == 4 and end.shape[2:] == last.shape[2:]
    strides = [_stride(side, each.shape[-1]) for each in maps]
    found = {stride: index for index, stride in enumerate(strides)}  # the last of each stride
    count = len(maps)
    uniform = (
        isinstance(end, Tensor)
        and end.ndim == 3
        and count >= _BLOCKS
        and len({each.shape for each in maps}) == 1
    )
    levels = int(math.log2(strides[-1]))
    finer = [found.get(2**level) for level in range(levels)] if 2**levels == strides[-1] else []
    return Layout(
        tuple(0 if index is None else maps[index].shape[1] for index in finer),
        end.shape[1] if final else last.shape[1],
        strides[-1],
        tuple(finer),
        count - 1,
        final,
        blocks=tuple(count * part // _BLOCKS - 1 for part in range(1, _BLOCKS + 1)) if uniform else (),
    )


def _stride(side: int, map_side: int) -> int:
    """The image's side over the map's: a power of two, where the map lacks no more than its border of one of that."""
    power = 2 ** round(math.log2(side / map_side))
    return power if map_side <= math.ceil(side / power) else round(side / map_side)


def leave_out(net: nn.Module, paths: Sequence[str]) -> None:
    for path in paths:
        parent, _, child = path.rpartition(".")
        setattr(net.get_submodule(parent), child, nn.Identity())


def _unused(net: nn.Module) -> tuple[str, ...]:
    """The outermost modules of which no parameter has a gradient."""
    found: list[str] = []
    for path, module in net.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer in found)
        parameters = list(module.parameters())
        if not inside and parameters and all(each.grad is None for each in parameters):
            found.append(path)
    return tuple(found)


def create_net(name: str, in_channels: int, **options: Any) -> nn.Module:
    """timm's net ``name`` without its classifier; raises ``CnnlibError`` where there is none."""
    import timm

    if not timm.is_model(name):
        near = did_you_mean(name, timm.list_models())
        raise CnnlibError(f"timm has no net {name!r}{near}; timm.list_models() lists them")
    logging.getLogger("timm").setLevel(logging.ERROR)  # that it leaves out the classifier is meant
    return timm.create_model(name, num_classes=0, in_chans=in_channels, **_any_size(name), **options)


@cache
def _any_size(name: str) -> dict[str, bool]:
    """The option by which vision transformers take images of other sizes than they were made for; other nets have
    none.
    """
    import timm

    option = {"dynamic_img_size": True}
    try:
        with torch.device("meta"):
            timm.create_model(name, num_classes=0, **option)
    except Exception:  # the net's constructor does not know it
        return {}
    return option


def token_count(net: nn.Module) -> int:
    """Of the tokens that belong to no place."""
    return getattr(net, "num_prefix_tokens", 0)
