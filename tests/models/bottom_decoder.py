"""The least decoder there is: the bottom itself."""

from __future__ import annotations

from torch import Tensor

from cnnlib.models.decoders import Features, MapDecoder
from cnnlib.models.encoders import FeatureSource


class Bottom(MapDecoder):
    def __init__(self, encoder: FeatureSource, gain: float = 1.0) -> None:
        super().__init__()
        self.out_channels, self.gain = encoder.out_channels, gain

    def forward(self, features: Features) -> Tensor:
        return self.gain * features.bottom
