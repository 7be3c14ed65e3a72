"""Any net of timm as an encoder."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlib.models.layers.adapters import LowRankAdapters
from cnnlib.models.layers.foreign_error import one_line
from cnnlib.models.layers.stages import own_parameters, owns
from cnnlib.models.layers.standardize import Standardize
from cnnlib.models.layers.timm_layout import Block, create_net, leave_out, measure, token_count
from cnnlib.models.layers.timm_weights import IMAGENET, check_weights, load_weights
from cnnlib.types import CnnlibError

_PUBLISHED_CHANNELS = 3


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
        self.net = create_net(name, in_channels)
        self.has_tokens = token_count(self.net) > 0
        leave_out(self.net, layout.unused)
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
        check_weights(self.name, self.weights)

    def load_pretrained(self) -> None:
        """Loads ``weights``, if any.

        Raises:
            CnnlibError: they cannot be fetched or read, or are not those of this net.
        """
        if self.weights is not None:
            load_weights(self.net, self.name, self.in_channels, self.weights)

    def _check_size(self, image: Tensor, error: Exception) -> None:
        """Raises ``CnnlibError`` if it is the image's size that the net cannot take."""
        size = tuple(image.shape[2:])
        try:
            with torch.device("meta"):
                self._layout.run(create_net(self.name, self.in_channels), torch.empty(2, *image.shape[1:]))
        except Exception:
            height, width = self.net.pretrained_cfg["input_size"][1:]
            raise CnnlibError(
                f"timm's {self.name!r} takes no images of {size[0]} x {size[1]} pixels ({one_line(error)}); it was "
                f"made for {height} x {width}: set the data set's size to that, or take an encoder for any size, such "
                "as efficientnet_b0"
            ) from error


@cache
def _check_adapters(name: str, in_channels: int, adapters: LowRankAdapters) -> None:
    """Raises ``CnnlibError`` unless every adapter has a part in what the net gives."""
    layout = measure(name, in_channels)
    with torch.device("meta"), torch.enable_grad():
        net = create_net(name, in_channels)
        image = torch.empty(1, in_channels, *net.pretrained_cfg["input_size"][1:])
        adapters.check_used(net, lambda net: layout.run(net, image)[0])


def _thaw_first_layer(net: nn.Module) -> None:
    """Published weights, repeated over more channels than three, give all of them one meaning."""
    first = net.pretrained_cfg["first_conv"]
    for path in (first,) if isinstance(first, str) else first:
        net.get_submodule(path).requires_grad_(True)


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
