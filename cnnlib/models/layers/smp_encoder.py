"""An encoder of segmentation-models-pytorch, with the weights that it publishes."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import torch
from annotated_types import MinLen
from torch import Tensor, nn

from cnnlib.models.layers.foreign_error import one_line
from cnnlib.models.layers.stages import own_parameters, owns
from cnnlib.models.layers.standardize import Standardize
from cnnlib.models.layers.weights_file import read_state
from cnnlib.types import CnnlibError

Weights: TypeAlias = Annotated[str, MinLen(1)] | None
OutputStride: TypeAlias = Literal[8, 16] | None

_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)
_DPN = (124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3
_STATISTICS = {
    "inception": _HALF,
    "xception": _HALF,
    "timm-tf_efficientnet_lite": _HALF,
    "dpn": _DPN,
}
"""Means and deviations that the families' published weights were trained with; of the others they are ImageNet's.
By the beginning of the name. SMP keeps them beside the weights, where they cannot be read offline."""


class SmpEncoder(nn.Module):
    """An encoder of segmentation-models-pytorch (P. Iakubovskii, github.com/qubvel-org/segmentation_models.pytorch).

    The image, in [0, 1], is standardized by the means and deviations that the encoder's published weights were trained
    with, whether they are loaded or not. Layers that no feature depends on are left out.

    Args:
        name: of the encoder, such as ``resnet34`` or ``mit_b0``; ``segmentation_models_pytorch.encoders.encoders``
            holds them.
        in_channels: of the image. Published weights of the first convolution are repeated over more channels than three
            and scaled, and added up for one, as SMP does.
        weights: what ``load_pretrained`` loads: ``imagenet``, another set that SMP publishes for the encoder
            (``noisy-student``), or a file with the encoder's state for three channels, ``.safetensors`` or ``.pth``.
        output_stride: 8 or 16 dilates the last convolutions instead of making maps smaller still, as DeepLab wants it.

    Attributes:
        skip_channels: of the skips, from fine to coarse, one for each power of two below ``stride``; 0 where the
            encoder has no map of that stride.
        out_channels: of the bottom.
        stride: by which height and width at the bottom are smaller; the image's must be multiples of it.
        multiple: the same, or larger where the encoder itself needs larger multiples.

    Raises:
        CnnlibError: SMP has no such encoder, or it cannot be dilated.
    """

    def __init__(
        self, name: str, in_channels: int, weights: Weights = None, output_stride: OutputStride = None
    ) -> None:
        super().__init__()
        layout = measure(name, output_stride)
        self.name, self.in_channels, self.weights = name, in_channels, weights
        self.output_stride = output_stride
        self.skip_channels, self.out_channels, self.stride = (
            layout.skip_channels,
            layout.out_channels,
            layout.stride,
        )
        self.multiple = 32
        self._layout = layout
        self.net = _create(name, in_channels, output_stride)
        for path in layout.unused:
            parent, _, child = path.rpartition(".")
            setattr(self.net.get_submodule(parent), child, nn.Identity())
        self.standardize = Standardize(*_statistics(name), in_channels)

    def forward(self, image: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        """(B, in, H, W) -> the bottom (B, out, H / stride, W / stride), and the skips from fine to coarse, ``None`` for
        a stride of which there is no map.
        """
        maps = self.net(self.standardize(image))
        return maps[-1], [None if index is None else maps[index] for index in self._layout.skips]

    @property
    def stages(self) -> list[nn.Module]:
        """From the image to the bottom, one for each map that is computed from the one before; together they hold every
        parameter and buffer once.
        """
        first = nn.ModuleList([self.standardize, own_parameters(self.net)])
        parts: dict[int, list[nn.Module]] = {}
        stage = 0
        for path, module in self.net.named_modules():
            if module is self.net or not owns(module):
                continue
            own = [f"{path}.{name}" for name, _ in module.named_parameters(recurse=False)]
            stage = (
                self._layout.stages[own[0]] if own else stage
            )  # buffers alone go with what stands before them
            parts.setdefault(stage, []).append(module)
        found = [nn.ModuleList(parts[stage]) for stage in sorted(parts)]
        found[0] = nn.ModuleList([*first, *found[0]])
        return found

    def check_pretrained(self) -> None:
        """Raises ``CnnlibError`` where ``weights`` is a file that is not there."""
        published = _table()[self.name]["pretrained_settings"]
        if self.weights is not None and self.weights not in published and not Path(self.weights).is_file():
            raise CnnlibError(
                f"{self.weights}: no such file; weights must be one of {', '.join(published)}, which SMP publishes for "
                f"{self.name!r}, or a file with the encoder's state"
            )

    def load_pretrained(self) -> None:
        """Loads ``weights``, and fits the first convolution to the image's channels as SMP does.

        Raises:
            CnnlibError: they cannot be fetched or read, or are not those of this encoder.
        """
        if self.weights is None:
            return
        with torch.random.fork_rng(devices=[]):  # what is drawn after it does not depend on whether it was
            published = _table()[self.name]["pretrained_settings"]
            loaded = self._fetched(published) if self.weights in published else self._read()
        own = self.net.state_dict().keys()
        self.net.load_state_dict({key: value for key, value in loaded.state_dict().items() if key in own})

    def _fetched(self, published: dict[str, Any]) -> nn.Module:
        try:
            return _create(self.name, self.in_channels, self.output_stride, self.weights)
        except Exception as error:  # whatever network, disk and file formats have to say
            source = published[self.weights]
            raise CnnlibError(
                f"the published weights {self.weights!r} of SMP's {self.name!r} could not be fetched "
                f"({one_line(error)}); download them on a machine that can (model.safetensors of {source['repo_id']} "
                "on the Hugging Face hub) and set weights to the path of the file"
            ) from None

    def _read(self) -> nn.Module:
        self.check_pretrained()
        state = read_state(self.weights)
        net = _create(self.name, 3, None)
        try:
            net.load_state_dict(state)
        except Exception as error:
            raise CnnlibError(
                f"{self.weights}: not the weights of SMP's encoder {self.name!r} for three channels: {one_line(error)}"
            ) from None
        net.set_in_channels(self.in_channels, pretrained=True)
        return net


@dataclass(frozen=True)
class Layout:
    """What an encoder of SMP gives.

    Attributes:
        skip_channels, out_channels, stride: as ``SmpEncoder`` has them.
        skips: for each of ``skip_channels`` the index of the map in the encoder's list, or ``None``.
        stages: for each parameter the index of the first map that depends on it.
        unused: the modules that no map depends on.
    """

    skip_channels: tuple[int, ...]
    out_channels: int
    stride: int
    skips: tuple[int | None, ...]
    stages: dict[str, int]
    unused: tuple[str, ...]


@cache
def measure(name: str, output_stride: OutputStride = None) -> Layout:
    """Shows an image to the encoder, on the "meta" device, where it costs next to nothing.

    Raises:
        CnnlibError: SMP has no such encoder, or it cannot be dilated.
    """
    side = 64
    with torch.device("meta"):
        net = _create(name, 3, output_stride)
        with torch.enable_grad():
            maps = net(torch.empty(2, 3, side, side))
            stages: dict[str, int] = {}
            for index, each in enumerate(maps):
                if not each.requires_grad:
                    continue
                each.sum().backward(retain_graph=True)
                for key, parameter in net.named_parameters():
                    if parameter.grad is not None:
                        stages.setdefault(key, index)
    found = {side // each.shape[-1]: index for index, each in enumerate(maps) if each.requires_grad}
    stride = side // maps[-1].shape[-1]
    finer = [found.get(2**level) for level in range(stride.bit_length() - 1)]
    return Layout(
        tuple(0 if index is None else maps[index].shape[1] for index in finer),
        maps[-1].shape[1],
        stride,
        tuple(finer),
        stages,
        _unused(net, stages),
    )


def _unused(net: nn.Module, stages: dict[str, int]) -> tuple[str, ...]:
    """The outermost modules of which no map depends on any parameter."""
    found: list[str] = []
    for path, module in net.named_modules():
        keys = [f"{path}.{key}" for key, _ in module.named_parameters()]
        inside = any(path.startswith(f"{outer}.") for outer in found)
        if path and keys and not inside and not any(key in stages for key in keys):
            found.append(path)
    return tuple(found)


def _create(
    name: str, in_channels: int, output_stride: OutputStride, weights: str | None = None
) -> nn.Module:
    from segmentation_models_pytorch.encoders import get_encoder

    logging.getLogger("timm").setLevel(logging.ERROR)
    options = {"weights": weights, "output_stride": output_stride or 32}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that SMP would rather have the names of timm
        try:
            return _on_this_device(lambda: get_encoder(name, in_channels, depth=5, **options))
        except (ValueError, NotImplementedError) as error:
            if output_stride is None:
                raise
            raise CnnlibError(
                f"SMP's encoder {name!r} cannot be dilated to output_stride {output_stride} ({one_line(error)}); "
                "leave output_stride out, or take a resnet"
            ) from None


def _on_this_device(make: Any) -> nn.Module:
    """What ``make`` gives, on the "meta" device where that is PyTorch's default: not all of SMP's code knows it."""
    device = torch.get_default_device()
    try:
        return make().to(device)
    except RuntimeError:
        if device.type != "meta":
            raise
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            return make().to(device)


def _statistics(name: str) -> tuple[Sequence[float], Sequence[float]]:
    return next((found for start, found in _STATISTICS.items() if name.startswith(start)), _IMAGENET)


def _table() -> dict[str, Any]:
    from segmentation_models_pytorch.encoders import encoders

    return encoders
