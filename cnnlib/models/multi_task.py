"""Any encoder, any decoder, any heads: the models of multi-task papers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from torch import Tensor, nn

from cnnlib.checks import checked
from cnnlib.lookup import find
from cnnlib.models.base import (
    Channels,
    DropoutShare,
    check_batch,
    check_heads,
    check_image,
    pad_to_multiple,
)
from cnnlib.models.decoders import DECODERS, Features, MapDecoder
from cnnlib.models.encoders import make_encoder
from cnnlib.models.exchange import EXCHANGES, Exchange
from cnnlib.models.layers import MapHead, PlacesHead
from cnnlib.models.layers.map_head import enlarged
from cnnlib.models.parts import build_part, name_and_options
from cnnlib.types import CnnlibError, Head, Outputs, Size

_MASK_AND_DEPTH: Mapping[str, Head] = MappingProxyType({"mask": Head("map", 1), "depth": Head("map", 1)})
_SHARED = "shared"


class MultiTask(nn.Module):
    """One encoder of segmentation-models-pytorch, of timm or of ours; decoders for the maps, heads for all tasks.

    A name that SMP has is SMP's encoder (``resnet34``, ``mit_b0``); every other, and any with ``tu-`` before it or
    timm's tag of weights behind it, is timm's (``convnext_tiny``, ``tu-resnet34``, ``resnet50.a1_in1k``,
    ``vit_small_patch14_dinov2``), which takes images of any size where timm lets it. Images are standardized inside, as
    the published weights want it.

    Maps come from a decoder, each task's own or one for all, and a convolution per task; they have the image's size.
    Vectors come from the bottom, by its channels' means and places. Images whose sides are no multiples of what the
    encoder and the decoder need are padded at the right and at the bottom by repeating their last column and row, and
    the maps are cropped to the image's size again.

    Args:
        in_channels: channels of the image. Published weights of the first convolution are repeated over more than
            three.
        heads: what each task asks for, in the order in which ``forward`` gives it.
        encoder: a name, or a mapping with ``name`` and ``weights``, which are loaded before training starts: null,
            ``imagenet``, or a file (``.safetensors``, ``.pth``); of encoders of SMP also ``output_stride`` (8 or 16,
            for the two of DeepLab); of vision transformers of timm also ``adapters``, which are trained in place of the
            encoder's own ``weights``, which must be given then: a mapping with ``rank``, ``alpha``, ``layers``
            (attention or all) and ``dropout``; of ``resunet`` and ``phone_locator`` instead ``widths``.
        decoder: a name, or a mapping with ``name`` and options: ``unet`` and ``unetplusplus`` (``channels`` from coarse
            to fine, ``attention``: scse), ``fpn`` (``pyramid_channels``, ``channels``, ``dropout``, ``merge``),
            ``deeplabv3`` and ``deeplabv3plus`` (``channels``, ``atrous_rates``, ``dropout``), ``manet`` (``channels``,
            ``attention_channels``), ``segformer`` (``channels``), ``dpt`` (``widths``, ``channels``, ``readout``,
            ``dropout``), which needs a vision transformer of timm, and ``resunet`` (``channels``).
        share: what tasks share beside the encoder: nothing (``encoder``), or one decoder for all maps (``decoder``).
        dropout: share of what enters the heads of vectors that training sets to 0.
        exchange: how tasks learn from each other beside what they share; a name, or a mapping with ``name`` and
            options: ``cross_stitch``, an encoder per task, mixed after each stage (``own``, ``per``: channel or stage);
            ``mtan``, attention of each task to the encoder's maps (``reduction``); ``padnet``, first predictions that
            the others learn from; null for nothing.

    Raises:
        CnnlibError: no heads, a task's name that PyTorch cannot give to a module, an encoder, a decoder or an exchange
            that there is not, an option that it does not have, or two that do not fit each other.
    """

    @checked
    def __init__(
        self,
        in_channels: Channels = 6,
        heads: Mapping[str, Head] = _MASK_AND_DEPTH,
        encoder: str | Mapping[str, Any] = "resnet34",
        decoder: str | Mapping[str, Any] = "unet",
        share: Literal["encoder", "decoder"] = "encoder",
        dropout: DropoutShare = 0.2,
        exchange: str | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_heads(heads)
        self.in_channels = in_channels
        self.exchange = _make_exchange(exchange, heads)
        self.encoder = self.exchange.make_encoder(partial(make_encoder, encoder, in_channels))
        self.decoders = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        self.multiple = getattr(self.encoder, "multiple", self.encoder.stride)
        name, options = name_and_options(decoder, "decoder")
        make = find(name, DECODERS, "decoder", (MapDecoder,))
        for task, head in heads.items():
            if head.shape == "vector":
                self.heads[task] = PlacesHead(self.encoder.out_channels, head.channels, None, dropout)
                continue
            key = _SHARED if share == "decoder" else task
            if key not in self.decoders:
                self.decoders[key] = build_part(make, f"decoder {name!r}", options, encoder=self.encoder)
            made = self.decoders[key]
            self.heads[task] = MapHead(made.out_channels, head.channels, made.head_kernel)
        self._maps = [task for task, head in heads.items() if head.shape == "map"]
        if self._maps:
            self.multiple = max(self.multiple, made.multiple(self.encoder.stride))
        self.exchange.build(self.encoder, made if self._maps else None)

    def forward(self, image: Tensor) -> Outputs:
        """While it trains, an exchange may add first predictions of maps, as ``<task>.first``.

        Raises:
            CnnlibError: the net cannot take such an image.
        """
        check_image(image, self.in_channels)
        check_batch(self, image, self.encoder.stride, self.multiple)
        self._check_means(image)
        padded = pad_to_multiple(image, self.multiple)
        features = self.exchange.features(self.encode(padded))
        maps, first = self.exchange.maps(self._decoded(features))
        size = image.shape[2:]
        outputs = {}
        for task, head in self.heads.items():
            if task in maps:
                outputs[task] = _cropped(head(maps[task], padded.shape[2:]), size)
            else:
                outputs[task] = head(features[task].bottom)
        if self.training:
            for task, each in first.items():
                outputs[f"{task}.first"] = _cropped(enlarged(each, padded.shape[2:]), size)
        return outputs

    def _decoded(self, features: Mapping[str, Features]) -> dict[str, Tensor]:
        """The map of each task that asks for one; computed once where tasks share both features and decoder."""
        known: dict[tuple[str, int], Tensor] = {}
        decoded = {}
        for task in self._maps:
            key = task if task in self.decoders else _SHARED
            same = (key, id(features[task]))
            if same not in known:
                known[same] = self.decoders[key](features[task])
            decoded[task] = known[same]
        return decoded

    def encode(self, image: Tensor) -> Features:
        """What the decoders work on, of an image whose sides fit."""
        if any(decoder.needs_blocks for decoder in self.decoders.values()):
            blocks = self.encoder.with_blocks(image)
            return Features(blocks[-1].map, (), blocks)
        return Features(*self.encoder(image))

    @property
    def standardizes(self) -> bool:
        """Images are standardized inside."""
        return hasattr(self.encoder, "standardize")

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """Those that every task's output depends on."""
        yield from self.encoder.parameters()
        all_maps = len(self._maps) == len(self.heads)
        if all_maps and (_SHARED in self.decoders or self.exchange.joins_maps):
            yield from self.decoders.parameters()
        if all_maps or not self.exchange.joins_maps:
            yield from self.exchange.shared_parameters()

    def check_pretrained(self) -> None:
        """Raises ``CnnlibError`` where the encoder's ``weights`` is a file that is not there."""
        if hasattr(self.encoder, "load_pretrained"):
            self.encoder.check_pretrained()

    def load_pretrained(self) -> None:
        """Loads the encoder's ``weights``; a model whose own state is loaded needs them not.

        Raises:
            CnnlibError: they cannot be fetched or read, or are not those of the encoder.
        """
        if hasattr(self.encoder, "load_pretrained"):
            self.encoder.load_pretrained()

    def _check_means(self, image: Tensor) -> None:
        if self.training and len(image) == 1:
            for decoder in self.decoders.values():
                if decoder.normalises_means:
                    raise CnnlibError(
                        f"{type(decoder).__name__} normalises the mean of each image over the batch, and this one has "
                        "a single image: train on more than one image per batch, or take another decoder"
                    )


def _make_exchange(part: str | Mapping[str, Any] | None, heads: Mapping[str, Head]) -> Exchange:
    if part is None:
        return Exchange(heads)
    name, options = name_and_options(part, "exchange")
    make = find(name, EXCHANGES, "exchange", (Exchange,))
    return build_part(make, f"exchange {name!r}", options, heads=heads)


def _cropped(maps: Tensor, size: Size) -> Tensor:
    height, width = size
    return maps[..., :height, :width]
