"""The blocks that models are built of."""

from cnnlib.models.layers.double_conv import DoubleConv
from cnnlib.models.layers.res_block import ResBlock
from cnnlib.models.layers.up_block import UpBlock
from cnnlib.models.layers.upsample import Upsample

__all__ = ["DoubleConv", "ResBlock", "UpBlock", "Upsample"]
