"""How the weights of a model start."""

from __future__ import annotations

from typing import Literal, TypeAlias

from torch import nn

Initialization: TypeAlias = Literal["pytorch", "xavier", "he"]


def initialize(model: nn.Module, how: Initialization) -> None:
    """Draws the weights of all convolutions and linear layers anew and sets their biases to 0.

    ``xavier`` keeps the variance from layer to layer where activations are linear (uniform; Glorot and Bengio,
    AISTATS 2010), ``he`` where they are ReLU (normal; He et al., ICCV 2015). ``pytorch`` leaves everything as PyTorch
    made it.
    """
    if how == "pytorch":
        return
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            if how == "xavier":
                nn.init.xavier_uniform_(layer.weight)
            else:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
