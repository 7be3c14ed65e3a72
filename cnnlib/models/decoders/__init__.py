"""Decoders: from an encoder's features to a map; ``multi_task`` puts a head behind it."""

from cnnlib.models.decoders.base import Features, MapDecoder
from cnnlib.models.decoders.deeplabv3 import DeepLabV3Decoder
from cnnlib.models.decoders.deeplabv3plus import DeepLabV3PlusDecoder
from cnnlib.models.decoders.dpt import DPTDecoder
from cnnlib.models.decoders.fpn import FPNDecoder
from cnnlib.models.decoders.manet import MAnetDecoder
from cnnlib.models.decoders.resunet import ResUNetDecoder
from cnnlib.models.decoders.segformer import SegformerDecoder
from cnnlib.models.decoders.unet import UnetDecoder
from cnnlib.models.decoders.unetplusplus import UnetPlusPlusDecoder

DECODERS: dict[str, type[MapDecoder]] = {
    "unet": UnetDecoder,
    "unetplusplus": UnetPlusPlusDecoder,
    "fpn": FPNDecoder,
    "deeplabv3": DeepLabV3Decoder,
    "deeplabv3plus": DeepLabV3PlusDecoder,
    "manet": MAnetDecoder,
    "segformer": SegformerDecoder,
    "dpt": DPTDecoder,
    "resunet": ResUNetDecoder,
}
