"""The detector journal's net: an encoder of any make, and heads for boxes and classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Literal, TypeAlias

from cnnlib.checks import checked
from cnnlib.models.base import Channels, DropoutShare
from cnnlib.models.encoder_decoder import EncoderDecoder
from cnnlib.models.encoders import make_encoder
from cnnlib.models.layers import Encoder, PlacesHead, ShakeShakeEncoder, TimmEncoder
from cnnlib.models.layers.decoder import bounded_widths
from cnnlib.models.phone_locator import EncoderWidths
from cnnlib.types import CnnlibError, Head

_BOX_AND_LABEL: Mapping[str, Head] = MappingProxyType({"box": Head("vector", 4), "label": Head("vector", 4)})

_OWN = ("resunet", "phone_locator")

HeadSize: TypeAlias = Literal["heavy", "light"]
_HIDDEN: Mapping[str, int | None] = {"heavy": 512, "light": None}


class Detector(EncoderDecoder):
    """One encoder, of timm or of ours, and a head for each task, whether it asks for a vector or for a map.

    By default it is the journal's: EfficientNet-B0 without its classifier, the 4,007,548 parameters that the paper's
    5,288,548 leave, and a head in the classifier's place. The journal tried a heavy and a light head and gives no
    layers. Here both are a ``PlacesHead``, which sees of every channel its mean and its place: ``light`` is one linear
    layer, as the classifier was; ``heavy`` has a hidden layer of 512 before it.

    Every task has a head of its own. A task that asks for a map gets a ``Decoder`` with the encoder's skips, and so
    mask, depth, box and class from one encoder are a matter of configuration. Where the encoder has no map of a stride
    (at full size, as a rule) the decoder goes on without a skip.

    Images whose sides are no multiples of the encoder's stride are padded at the right and at the bottom by repeating
    their last column and row, and the maps are cropped to the image's size again.

    Args:
        in_channels: channels of the image.
        heads: what each task asks for, in the order in which ``forward`` gives it.
        encoder: the name of a net of timm, or the encoder of a net of ours: ``resunet``, ``phone_locator``.
        weights: of a net of timm, loaded before training starts: ``imagenet`` for those that timm fetches, or a file
            with the state of the whole net (``.safetensors``, ``.pth``).
        head: ``light`` or ``heavy``.
        dropout: share of what enters a head's last layer that training sets to 0.
        widths: channels of the levels of an encoder of ours, from fine to coarse; by default 32, 64, 128, 256.
        map_stride: maps are so many times smaller than the image.

    Raises:
        CnnlibError: no heads, a task's name that PyTorch cannot give to a module, an encoder that there is not or that
            lacks what is asked of it, or ``weights`` or ``widths`` for an encoder that has none.
    """

    @checked
    def __init__(
        self,
        in_channels: Channels = 3,
        heads: Mapping[str, Head] = _BOX_AND_LABEL,
        encoder: str = "efficientnet_b0",
        weights: str | None = None,
        head: HeadSize = "light",
        dropout: DropoutShare = 0.2,
        widths: EncoderWidths | None = None,
        map_stride: Literal[1, 2, 4] = 1,
    ) -> None:
        made = _encoder(encoder, in_channels, weights, widths)
        super().__init__(
            in_channels,
            heads,
            made,
            partial(PlacesHead, hidden=_HIDDEN[head], dropout=dropout),
            made.stride,
            map_stride,
            bounded_widths(made.skip_channels),
        )

    def check_pretrained(self) -> None:
        """Raises ``CnnlibError`` where the encoder's ``weights`` is a file that is not there."""
        if isinstance(self.encoder, TimmEncoder):
            self.encoder.check_pretrained()

    def load_pretrained(self) -> None:
        """Loads ``weights``; a model whose own state is loaded needs them not.

        Raises:
            CnnlibError: they cannot be fetched or read, or are not those of the encoder.
        """
        if isinstance(self.encoder, TimmEncoder):
            self.encoder.load_pretrained()


def _encoder(
    name: str, in_channels: int, weights: str | None, widths: Sequence[int] | None
) -> Encoder | ShakeShakeEncoder | TimmEncoder:
    if name not in _OWN:
        if widths is not None:
            raise CnnlibError(
                f"widths are an option of {' and '.join(_OWN)}; the layers of timm's {name!r} are fixed: leave them out"
            )
        return TimmEncoder(name, in_channels, weights)
    if weights is not None:
        raise CnnlibError(
            f"weights are an option of timm's nets; there are none for the encoder {name!r}: set them to null"
        )
    return make_encoder({"name": name} | ({} if widths is None else {"widths": widths}), in_channels)
