"""The decoder of dense prediction transformers, as segmentation-models-pytorch builds it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from annotated_types import MaxLen, MinLen
from torch import Tensor, nn

from cnnlib.checks import checked
from cnnlib.models.base import Channels, DropoutShare
from cnnlib.models.decoders.base import Features, MapDecoder, begin_as_smp
from cnnlib.models.encoders import FeatureSource
from cnnlib.types import CnnlibError

FourWidths: TypeAlias = Annotated[Sequence[Channels], MinLen(4), MaxLen(4)]
_PATCH = 16


class DPTDecoder(MapDecoder):
    """Four blocks of a vision transformer as a pyramid of maps, which residual convolutions join from coarse to fine.

    The maps are 4, 2, 1 and a half times the size of the transformer's, whatever its patches are, as Depth Anything
    has it for patches of 14 pixels; the result is 8 times that size. The last block is normalised, as the heads of
    vectors see it; SMP's is not.

    Sources: Ranftl et al., Vision transformers for dense prediction, ICCV 2021 (arXiv:2103.13413);
    segmentation-models-pytorch

    Args:
        widths: channels of the pyramid's levels, from fine to coarse, before they are joined.
        channels: of the map.
        readout: what becomes of the transformer's class token: joined to each place (``cat``), added, or ignored.
        dropout: of what enters the head, share that training sets to 0.
    """

    head_kernel = 1
    needs_blocks = True

    @checked
    def __init__(
        self,
        encoder: FeatureSource,
        widths: FourWidths = (256, 512, 1024, 1024),
        channels: Channels = 256,
        readout: Literal["cat", "add", "ignore"] = "cat",
        dropout: DropoutShare = 0.1,
    ) -> None:
        super().__init__()
        from segmentation_models_pytorch.decoders.dpt.decoder import DPTDecoder as Net

        blocks = getattr(encoder, "block_channels", ())
        if not blocks:
            raise CnnlibError(
                "dpt needs a vision transformer of timm, such as vit_small_patch14_dinov2; for this encoder take the "
                "decoder unet, fpn or segformer"
            )
        self.net = Net(
            blocks,
            [_PATCH] * len(blocks),
            encoder_has_prefix_tokens=encoder.has_tokens,
            readout=readout,
            intermediate_channels=widths,
            fusion_channels=channels,
        )
        begin_as_smp(self.net)
        self.out_channels = channels
        # What SMP's head of DPT has before its last convolution.
        self.tail = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
        )

    @staticmethod
    def multiple(stride: int) -> int:
        return 2 * stride  # the coarsest level is half the transformer's size

    def forward(self, features: Features) -> Tensor:
        maps, tokens = zip(*features.blocks, strict=True)
        return self.tail(self.net(list(maps), list(tokens)))
