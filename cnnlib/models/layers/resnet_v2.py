"""A residual block with activations before the convolutions, and two branches."""

from __future__ import annotations

from torch import Tensor, nn

from cnnlib.models.layers.shake_shake import ShakeShake


class ResNetV2(nn.Module):
    """(B, C, H, W) -> (B, C, H, W): the input plus two branches mixed by ``ShakeShake``.

    A branch is twice: batch normalisation, ReLU, 3 x 3 convolution.

    Sources: He et al., Identity mappings in deep residual networks, ECCV 2016 (arXiv:1603.05027), for the order;
    Gastaldi, Shake-Shake regularization, 2017 (arXiv:1705.07485), for the two branches
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([_branch(channels), _branch(channels)])
        self.shake = ShakeShake()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.shake(*[branch(x) for branch in self.branches])


def _branch(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
        nn.Conv2d(channels, channels, kernel_size=3, padding=1, bias=False),
    )
