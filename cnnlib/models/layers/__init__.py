"""The blocks that models are built of."""

from cnnlib.models.layers.conv_head import ConvHead
from cnnlib.models.layers.decoder import Decoder
from cnnlib.models.layers.dense import Dense
from cnnlib.models.layers.double_conv import DoubleConv
from cnnlib.models.layers.down_sampling import DownSampling
from cnnlib.models.layers.encoder import Encoder
from cnnlib.models.layers.full_precision import FullPrecisionLinear
from cnnlib.models.layers.map_head import MapHead
from cnnlib.models.layers.places_head import PlacesHead
from cnnlib.models.layers.res_block import ResBlock
from cnnlib.models.layers.resnet_v2 import ResNetV2
from cnnlib.models.layers.sequential_encoder import SequentialEncoder
from cnnlib.models.layers.shake_shake import ShakeShake
from cnnlib.models.layers.shake_shake_encoder import ShakeShakeEncoder
from cnnlib.models.layers.smp_encoder import SmpEncoder
from cnnlib.models.layers.standardize import Standardize
from cnnlib.models.layers.timm_encoder import TimmEncoder
from cnnlib.models.layers.up_block import UpBlock
from cnnlib.models.layers.upsample import Upsample
from cnnlib.models.layers.vector_head import VectorHead
