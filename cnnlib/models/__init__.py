"""Models: ``forward(image) -> {task name: raw output}``, with no knowledge of losses."""

from torch import nn

from cnnlib.models.resunet import ResUNet, ResUNetLite

MODELS: dict[str, type[nn.Module]] = {
    "resunet": ResUNet,
    "resunet_lite": ResUNetLite,
}
