"""Models: ``forward(image) -> {task name: raw output}``, with no knowledge of losses."""

from torch import nn

from cnnlib.models.facial_network import FacialNetwork, FacialNetworkLite
from cnnlib.models.phone_locator import PhoneLocator, PhoneLocatorDNN
from cnnlib.models.resunet import ResUNet, ResUNetLite

MODELS: dict[str, type[nn.Module]] = {
    "resunet": ResUNet,
    "resunet_lite": ResUNetLite,
    "phone_locator": PhoneLocator,
    "phone_locator_dnn": PhoneLocatorDNN,
    "facial_network": FacialNetwork,
    "facial_network_lite": FacialNetworkLite,
}
