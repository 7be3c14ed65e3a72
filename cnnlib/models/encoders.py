"""The encoders of ``multi_task`` by name: ours, those of segmentation-models-pytorch, those of timm."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from torch import Tensor, nn

from cnnlib.checks import did_you_mean
from cnnlib.models.base import Widths
from cnnlib.models.layers import Encoder, ShakeShakeEncoder, SmpEncoder, TimmEncoder
from cnnlib.models.layers.adapters import LowRankAdapters
from cnnlib.models.layers.smp_encoder import OutputStride, Weights
from cnnlib.models.parts import Part, build_part, name_and_options
from cnnlib.models.phone_locator import EncoderWidths
from cnnlib.types import CnnlibError

_WIDTHS = (32, 64, 128, 256)
_OF_TIMM = "tu-"
"""Before a name: the net of timm, where SMP has one of that name too. SMP's own prefix."""


class FeatureSource(Protocol):
    """What an encoder is to decoders.

    It may also have:

    - ``multiple``: what the image's sides must be multiples of, where that is not ``stride``;
    - ``check_pretrained()`` and ``load_pretrained()``, as ``MultiTask`` has them, where it takes ``weights``: these are
      loaded by the second, and not when the encoder is made;
    - ``block_channels``, ``has_tokens`` and ``with_blocks(image)``, as ``TimmEncoder`` has them, where it is a vision
      transformer.

    Attributes:
        in_channels: of the image.
        skip_channels: of the skips, from fine to coarse, one for each power of two below ``stride``, 1 included; 0
            where there is no map of that stride, such as the image's own. Empty where the stride is no power of two.
        out_channels: of the bottom.
        stride: by which height and width at the bottom are smaller.
        stages: from the image to the bottom; together they hold every parameter and buffer once.
    """

    in_channels: int
    skip_channels: Sequence[int]
    out_channels: int
    stride: int

    @property
    def stages(self) -> list[nn.Module]: ...

    def __call__(self, image: Tensor) -> tuple[Tensor, Sequence[Tensor | None]]: ...


Make: TypeAlias = Callable[..., nn.Module]


class Family(NamedTuple):
    """Encoders that are made in one way.

    Attributes:
        names: all of them.
        make: from ``in_channels``, ``name`` and the options of a configuration.
        tagged: a name may be followed by a dot and the tag of its weights.
    """

    names: Callable[[], Sequence[str]]
    make: Make
    tagged: bool = False

    def has(self, name: str) -> bool:
        return (name.partition(".")[0] if self.tagged else name) in self.names()


def _resunet(name: str, in_channels: int, widths: Widths = _WIDTHS) -> Encoder:
    return Encoder(in_channels, widths)


def _phone_locator(name: str, in_channels: int, widths: EncoderWidths = _WIDTHS) -> ShakeShakeEncoder:
    return ShakeShakeEncoder(in_channels, widths)


def _smp(
    name: str, in_channels: int, weights: Weights = None, output_stride: OutputStride = None
) -> SmpEncoder:
    return SmpEncoder(name, in_channels, weights, output_stride)


def _timm(
    name: str, in_channels: int, weights: Weights = None, adapters: Mapping[str, Any] | None = None
) -> TimmEncoder:
    made = None if adapters is None else build_part(LowRankAdapters, "adapters", adapters)
    return TimmEncoder(name.removeprefix(_OF_TIMM), in_channels, weights, made)


def _names_of_smp() -> Sequence[str]:
    from segmentation_models_pytorch.encoders import get_encoder_names

    return get_encoder_names()


def _names_of_timm() -> Sequence[str]:
    from timm import list_models

    names = list_models()
    return [*names, *(f"{_OF_TIMM}{name}" for name in names)]


ENCODERS: dict[str, Family] = {
    "resunet": Family(lambda: ["resunet"], _resunet),
    "phone_locator": Family(lambda: ["phone_locator"], _phone_locator),
    "segmentation-models-pytorch": Family(_names_of_smp, _smp),
    "timm": Family(_names_of_timm, _timm, tagged=True),
}
"""The first family that has a name makes the encoder."""


def make_encoder(part: Part, in_channels: int) -> nn.Module:
    """A ``FeatureSource``.

    Raises:
        CnnlibError: no family has the name, an option is unknown or out of its range, or the encoder cannot be made.
    """
    name, options = name_and_options(part, "encoder")
    for family in ENCODERS.values():
        if family.has(name):
            return build_part(family.make, f"encoder {name!r}", options, name=name, in_channels=in_channels)
    known = [each for family in ENCODERS.values() for each in family.names()]
    raise CnnlibError(
        f"no encoder is named {name!r}{did_you_mean(name, known)}; {', '.join(ENCODERS)} have {len(known)}: see "
        "segmentation_models_pytorch.encoders.get_encoder_names() and timm.list_models()"
    )
