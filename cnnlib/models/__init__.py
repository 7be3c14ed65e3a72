"""Models: ``forward(image) -> {task name: raw output}``, with no knowledge of losses."""

from torch import nn

from cnnlib.models.classifiers import Net0, Net1, Net2, Net3, Net4, Net5, Net6
from cnnlib.models.detector import Detector
from cnnlib.models.facial_network import FacialNetwork, FacialNetworkLite
from cnnlib.models.multi_task import MultiTask
from cnnlib.models.phone_locator import PhoneLocator, PhoneLocatorDNN
from cnnlib.models.resunet import ResUNet, ResUNetLite

MODELS: dict[str, type[nn.Module]] = {
    "resunet": ResUNet,
    "resunet_lite": ResUNetLite,
    "phone_locator": PhoneLocator,
    "phone_locator_dnn": PhoneLocatorDNN,
    "facial_network": FacialNetwork,
    "facial_network_lite": FacialNetworkLite,
    "detector": Detector,
    "multi_task": MultiTask,
    "net0": Net0,
    "net1": Net1,
    "net2": Net2,
    "net3": Net3,
    "net4": Net4,
    "net5": Net5,
    "net6": Net6,
}
