"""The blocks that models are built of."""

from cnnlib.models.layers.decoder import Decoder
from cnnlib.models.layers.double_conv import DoubleConv
from cnnlib.models.layers.encoder import Encoder
from cnnlib.models.layers.res_block import ResBlock
from cnnlib.models.layers.up_block import UpBlock
from cnnlib.models.layers.upsample import Upsample
from cnnlib.models.layers.vector_head import VectorHead
