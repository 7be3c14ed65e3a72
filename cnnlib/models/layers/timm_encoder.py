"""Any net of timm as an encoder."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlib.checks import did_you_mean
from cnnlib.models.layers.adapters import LowRankAdapters, published
from cnnlib.models.layers.stages import own_parameters, owns
from cnnlib.models.layers.standardize import Standardize
from cnnlib.types import CnnlibError

IMAGENET = "imagenet"
_PUBLISHED_CHANNELS = 3
_BLOCKS = 4


class Block(NamedTuple):
    """What a vision transformer gives after one of its blocks."""

    map: Tensor
    """(B, C, h, w)"""
    tokens: Tensor | None
    """(B, n, C), of no place; ``None`` where the net has no such."""


class TimmEncoder(nn.Module):
    """A net of timm without its classifier (R. Wightman, PyTorch image models, doi:10.5281/zenodo.4414861).

    The bottom is what the net pools for its classifier: of ``efficientnet_b0`` the 1280 channels behind its last 1 x 1
    convolution. The skips are its feature maps. What timm's nets give is not read in their descriptions but measured,
    by one image on the "meta" device; layers that lead to the classifier alone are left out. The image, in [0, 1], is
    standardized by the means and deviations that the net's published weights were trained with, whether they are
    loaded or not.

    Args:
        name: of the net, such as ``efficientnet_b0``; ``timm.list_models()`` lists them.
        in_channels: of the image.
        weights: what ``load_pretrained`` loads: ``imagenet`` is what timm offers for the name, for most names trained
            on ImageNet; otherwise a file with the state of the whole net, ``.safetensors`` or ``.pth``.
        adapters: what is trained of a vision transformer in place of its own weights, which they leave as they are; but
            for its first layer where the image has other than three channels, for which there are no published ones.

    Attributes:
        skip_channels: of the skips, from fine to coarse, one for each power of two below ``stride``; 0 where the net
            has no map of that stride. Empty where its stride is no power of two.
        out_channels: of the bottom.
        stride: by which height and width at the bottom are smaller; the image's must be multiples of it.
        multiple: the same.
        block_channels: of the maps that ``with_blocks`` gives; empty for a net whose maps are of several sizes.
        has_tokens: these come with tokens.
        example_side: height and width of an image that the net takes.

    Raises:
        CnnlibError: timm has no such net, it cannot be used as an encoder, or there are adapters without weights.
    """

    def __init__(
        self,
        name: str,
        in_channels: int,
        weights: str | None = None,
        adapters: LowRankAdapters | None = None,
    ) -> None:
        super().__init__()
        layout = measure(name, in_channels)
        self.name, self.in_channels, self.weights = name, in_channels, weights
        self.skip_channels, self.out_channels, self.stride = (
            layout.skip_channels,
            layout.out_channels,
            layout.stride,
        )
        self.multiple = layout.stride
        self.block_channels = (layout.out_channels,) * len(layout.blocks)
        self._layout = layout
        self.net = _create(name, in_channels)
        self.has_tokens = token_count(self.net) > 0
        _leave_out(self.net, layout.unused)
        if adapters is not None:
            if weights is None:
                raise CnnlibError(
                    "adapters leave the encoder's own weights as they are, which are random without published ones: "
                    f"set weights to {IMAGENET!r} or to a file, or leave adapters out to train the whole encoder"
                )
            _check_adapters(name, in_channels, adapters)
            adapters.put_on(self.net)
            if in_channels != _PUBLISHED_CHANNELS:
                _thaw_first_layer(self.net)
        cfg = self.net.pretrained_cfg
        self.example_side = cfg["input_size"][1]
        self.standardize = Standardize(cfg["mean"], cfg["std"], in_channels)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        """(B, in, H, W) -> the bottom (B, out, H / stride, W / stride), and the skips from fine to coarse, ``None`` for
        a stride of which there is no map.

        Raises:
            CnnlibError: the net takes no images of this size.
        """
        try:
            bottom, maps = self._layout.run(self.net, self.standardize(image))
        except Exception as error:  # timm's nets refuse sizes by whatever their layers raise
            self._check_size(image, error)
            raise
        if not self.skip_channels:
            return bottom, []
        skips = [None if each is None else _fit(each, image, 2**level) for level, each in enumerate(maps)]
        return _fit(bottom, image, self.stride), skips

    def with_blocks(self, image: Tensor) -> list[Block]:
        """Of a vision transformer: the maps after a quarter, a half, three quarters and all of its blocks, each with
        the tokens that belong to no place (class and registers). The last is normalised: its map is the bottom.

        Raises:
            CnnlibError: the net takes no images of this size.
        """
        try:
            return self._layout.run_blocks(self.net, self.standardize(image))
        except Exception as error:
            self._check_size(image, error)
            raise

    @property
    def stages(self) -> list[nn.Module]:
        """From the image to the bottom, as timm groups layers for learning rates by depth; together they hold every
        parameter and buffer once.
        """
        from timm.models import group_parameters

        order = group_parameters(self.net, _matcher(self.net), reverse=True)
        parts: dict[int, list[nn.Module]] = defaultdict(list)
        first = min(order.values())
        parts[first] += [self.standardize, own_parameters(self.net)]
        stage = first
        for path, module in self.net.named_modules():
            if module is self.net or not owns(module):
                continue
            own = [f"{path}.{name}" for name, _ in module.named_parameters(recurse=False)]
            stage = order[own[0]] if own else stage  # buffers alone: they go with what stands before them
            holds_others = any(owns(each) for each in module.modules() if each is not module)
            parts[stage].append(own_parameters(module) if holds_others else module)
        return [nn.ModuleList(parts[stage]) for stage in sorted(parts)]

    def check_pretrained(self) -> None:
        """Raises ``CnnlibError`` where ``weights`` is a file that is not there."""
        if self.weights not in (None, IMAGENET) and not Path(self.weights).is_file():
            raise CnnlibError(
                f"{self.weights}: no such file; weights must be {IMAGENET!r}, or a file with the state of timm's "
                f"{self.name!r}"
            )

    def load_pretrained(self) -> None:
        """Loads ``weights``, through timm, which fits the first convolution to other than three channels.

        Raises:
            CnnlibError: they cannot be fetched or read, or are not those of this net.
        """
        if self.weights is None:
            return
        source = {} if self.weights == IMAGENET else {"state_dict": self._read(self.weights)}
        try:
            with torch.random.fork_rng(
                devices=[]
            ):  # what is drawn after it does not depend on whether it was
                loaded = _create(self.name, self.in_channels, pretrained=True, pretrained_cfg_overlay=source)
        except Exception as error:  # whatever network, disk and file formats have to say
            problem = _one_line(error)
            if self.weights == IMAGENET:
                raise CnnlibError(self._not_fetched(problem)) from None
            raise CnnlibError(f"{self.weights}: not the weights of timm's {self.name!r}: {problem}") from None
        state = loaded.state_dict()
        for key, own in published(self.net).items():
            own.copy_(state[key])

    def _read(self, path: str) -> dict[str, Tensor]:
        import timm

        self.check_pretrained()
        try:
            state = timm.models.load_state_dict(path)
        except Exception as error:
            raise CnnlibError(f"{path}: cannot be read as weights: {_one_line(error)}") from None
        counters = "num_batches_tracked"  # old files lack them, and PyTorch does without
        missing = [key for key in published(self.net) if key not in state and not key.endswith(counters)]
        if missing:
            raise CnnlibError(
                f"{path}: not the weights of timm's {self.name!r}: it lacks {len(missing)} of its tensors, such as "
                f"{missing[0]!r}; save the state of the whole net there, as in "
                f"torch.save(timm.create_model({self.name!r}, pretrained=True).state_dict(), 'weights.pth')"
            )
        return state

    def _not_fetched(self, problem: str) -> str:
        cfg = self.net.pretrained_cfg
        places = [cfg["url"]] if cfg.get("url") else []
        if cfg.get("hf_hub_id"):
            places.append(f"model.safetensors of {cfg['hf_hub_id']} on the Hugging Face hub")
        if not places:
            return (
                f"timm has no published weights for {self.name!r}; set weights to null or to a file, or take one of "
                "the names that timm.list_models(pretrained=True) lists"
            )
        return (
            f"the published weights of timm's {self.name!r} could not be fetched ({problem}); download them on a "
            f"machine that can ({' or '.join(places)}) and set weights to the path of the file"
        )

    def _check_size(self, image: Tensor, error: Exception) -> None:
        """Raises ``CnnlibError`` if it is the image's size that the net cannot take."""
        size = tuple(image.shape[2:])
        try:
            with torch.device("meta"):
                self._layout.run(_create(self.name, self.in_channels), torch.empty(2, *image.shape[1:]))
        except Exception:
            height, width = self.net.pretrained_cfg["input_size"][1:]
            raise CnnlibError(
                f"timm's {self.name!r} takes no images of {size[0]} x {size[1]} pixels ({_one_line(error)}); it was "
                f"made for {height} x {width}: set the data set's size to that, or take an encoder for any size, such "
                "as efficientnet_b0"
            ) from error


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
        """Raises ``ValueError`` unless these are what the layout tells of an image with sides of ``side`` pixels."""
        told = [*zip(skips, self.skip_channels, strict=True), (bottom, self.out_channels)]
        strides = [*(2**level for level in range(len(skips))), self.stride]
        for (each, channels), stride in zip(told, strides, strict=True):
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
            net = _create(name, in_channels).eval()
            side = net.pretrained_cfg["input_size"][1]
            image = torch.empty(2, in_channels, side, side)
            with torch.no_grad():
                layout = _layout(*net.forward_intermediates(image, output_fmt="NCHW"), side)
            with torch.enable_grad():
                layout.run(net, image)[0].sum().backward()
            layout = replace(layout, unused=_unused(net))
            _leave_out(net, layout.unused)
            padded = -(-side // layout.stride) * layout.stride
            with torch.no_grad():
                image = torch.empty(2, in_channels, padded, padded)
                layout.check(*layout.run(net, image), padded)
    except CnnlibError:
        raise
    except Exception as error:  # a net of timm may lack or refuse any of this in its own way
        raise CnnlibError(
            f"timm's {name!r} cannot be used as an encoder ({_one_line(error)}); take another, such as "
            "efficientnet_b0 or resnet18"
        ) from error
    return layout


@cache
def _check_adapters(name: str, in_channels: int, adapters: LowRankAdapters) -> None:
    """Raises ``CnnlibError`` unless every adapter has a part in what the net gives."""
    layout = measure(name, in_channels)
    with torch.device("meta"), torch.enable_grad():
        net = _create(name, in_channels)
        image = torch.empty(1, in_channels, *net.pretrained_cfg["input_size"][1:])
        adapters.check_used(net, lambda net: layout.run(net, image)[0])


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


def _leave_out(net: nn.Module, paths: Sequence[str]) -> None:
    for path in paths:
        parent, _, child = path.rpartition(".")
        setattr(net.get_submodule(parent), child, nn.Identity())


def _thaw_first_layer(net: nn.Module) -> None:
    """Published weights, repeated over more channels than three, give all of them one meaning."""
    first = net.pretrained_cfg["first_conv"]
    for path in (first,) if isinstance(first, str) else first:
        net.get_submodule(path).requires_grad_(True)


def _unused(net: nn.Module) -> tuple[str, ...]:
    """The outermost modules of which no parameter has a gradient."""
    found: list[str] = []
    for path, module in net.named_modules():
        inside = any(path.startswith(f"{outer}.") for outer in found)
        parameters = list(module.parameters())
        if not inside and parameters and all(each.grad is None for each in parameters):
            found.append(path)
    return tuple(found)


def _create(name: str, in_channels: int, **options: Any) -> nn.Module:
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


def _fit(features: Tensor, image: Tensor, stride: int) -> Tensor:
    """As large as the image over ``stride``: convolutions without padding lose a border, which is repeated."""
    missing = [
        whole // stride - part for whole, part in zip(image.shape[2:], features.shape[2:], strict=True)
    ]
    if not any(missing):
        return features
    (top, left), (height, width) = (each // 2 for each in missing), missing
    return F.pad(features, (left, width - left, top, height - top), mode="replicate")


def _matcher(net: nn.Module) -> Any:
    """timm's rule for the group of a parameter, by its name; of the few nets without one, every child is a group."""
    with suppress(AttributeError, AssertionError):  # it has none, or none for coarse groups
        return net.group_matcher(coarse=True)
    order = {child: index for index, (child, _) in enumerate(net.named_children())}
    return lambda name: order.get(name.partition(".")[0], 0)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:200]}" if text else type(error).__name__
