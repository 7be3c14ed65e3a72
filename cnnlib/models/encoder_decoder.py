"""What models of one encoder and a decoder for every map have in common: they take images of any size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from torch import Tensor, nn

from cnnlib.models.base import check_batch, check_heads, check_image, pad_to_multiple
from cnnlib.models.layers import Decoder, Encoder, ShakeShakeEncoder, TimmEncoder
from cnnlib.types import CnnlibError, Head, Outputs


class EncoderDecoder(nn.Module):
    """Image (B, in_channels, H, W) -> bottom and skips -> ``{task: (B, channels, h, w) or (B, channels)}``.

    Args:
        in_channels: channels of the image.
        heads: what each task asks for, in the order in which ``forward`` gives it.
        encoder: gives the bottom, and the skips for the decoders.
        vector_head: makes the head of a vector from the bottom's channels and its own.
        multiple: the image is padded to multiples of it, and the maps are cropped to the image's size again.
        map_stride: the image's size over that of the maps, a power of two; the decoders leave out their last levels.
        decoder_widths: channels of the decoders' levels, from fine to coarse; by default those of the skips.

    Raises:
        CnnlibError: no heads, a task's name that PyTorch cannot give to a module, a ``map_stride`` that the encoder
            does not reach, or a map from an encoder whose stride is no power of two.
    """

    def __init__(
        self,
        in_channels: int,
        heads: Mapping[str, Head],
        encoder: Encoder | ShakeShakeEncoder | TimmEncoder,
        vector_head: Callable[[int, int], nn.Module],
        multiple: int,
        map_stride: int = 1,
        decoder_widths: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        check_heads(heads)
        _check_maps(heads, encoder, map_stride)
        widths = encoder.skip_channels if decoder_widths is None else decoder_widths
        self.in_channels = in_channels
        self.multiple = multiple
        self.map_stride = map_stride
        self.encoder = encoder
        self.decoders = nn.ModuleDict()
        self.heads = nn.ModuleDict()
        for task, head in heads.items():
            if head.shape == "map":
                decoder = Decoder(
                    encoder.out_channels, encoder.skip_channels[self._left_out :], widths[self._left_out :]
                )
                self.decoders[task] = decoder
                self.heads[task] = nn.Conv2d(decoder.out_channels, head.channels, kernel_size=1)
            else:
                self.heads[task] = vector_head(encoder.out_channels, head.channels)

    @property
    def _left_out(self) -> int:
        """Levels of the decoders."""
        return self.map_stride.bit_length() - 1

    def encode(self, image: Tensor) -> tuple[Tensor, list[Tensor | None]]:
        """The bottom and the skips of an image whose sides fit."""
        return self.encoder(image)

    def forward(self, image: Tensor) -> Outputs:
        """Raises ``CnnlibError`` for an image that the net cannot take."""
        check_image(image, self.in_channels)
        check_batch(self, image, self.encoder.stride, self.multiple)
        height, width = (side // self.map_stride for side in image.shape[2:])
        if (height * self.map_stride, width * self.map_stride) != tuple(image.shape[2:]):
            raise CnnlibError(
                f"with map_stride {self.map_stride} the image's sides must be multiples of it; they are "
                f"{image.shape[2]} and {image.shape[3]}"
            )
        bottom, skips = self.encode(pad_to_multiple(image, self.multiple))
        outputs = {}
        for task, head in self.heads.items():
            if task in self.decoders:
                outputs[task] = head(self.decoders[task](bottom, skips[self._left_out :]))[
                    ..., :height, :width
                ]
            else:
                outputs[task] = head(bottom)
        return outputs

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """Those that every task's output depends on."""
        return self.encoder.parameters()


def _check_maps(
    heads: Mapping[str, Head], encoder: Encoder | ShakeShakeEncoder | TimmEncoder, map_stride: int
) -> None:
    levels = len(encoder.skip_channels)
    maps = [task for task, head in heads.items() if head.shape == "map"]
    if maps and levels == 0:
        raise CnnlibError(
            f"the task {maps[0]!r} asks for a map, and the encoder makes images {encoder.stride} times smaller, which "
            "no number of doublings undoes: take an encoder whose stride is a power of two, such as efficientnet_b0"
        )
    if levels and map_stride > 2 ** (levels - 1):
        raise CnnlibError(f"map_stride {map_stride} needs an encoder of more levels; there are {levels}")
