"""What models with linear layers over the whole picture have in common: they take images of one size."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

from torch import Tensor, nn

from cnnlib.models.base import check_image, check_vector_heads
from cnnlib.models.layers import Dense, FullPrecisionLinear
from cnnlib.types import CnnlibError, Head, Outputs


class FixedSizeModel(nn.Module, ABC):
    """Image (B, in_channels, *size) -> features -> linear layers that all tasks share -> ``{task: (B, channels)}``.

    A subclass makes its backbone and returns from ``features`` what it computes.

    Args:
        in_channels: channels of the image.
        heads: what each task asks for, vectors alone, in the order in which ``forward`` gives it.
        size: height and width of the images.
        least_side: what the backbone needs of each.

    Raises:
        CnnlibError: no heads, a head that is a map, a task's name that PyTorch cannot give to a module, or a size
            that is too small.
    """

    def __init__(
        self, in_channels: int, heads: Mapping[str, Head], size: Sequence[int], least_side: int
    ) -> None:
        super().__init__()
        check_vector_heads(type(self).__name__, heads)
        if min(size) < least_side:
            raise CnnlibError(
                f"{type(self).__name__} of these widths needs images of at least {least_side} x {least_side} pixels; "
                f"size is {size[0]} x {size[1]}: make it larger, or widths shorter"
            )
        self.in_channels = in_channels
        self.size = tuple(size)

    def _add_linear_layers(
        self, in_features: int, hidden: Sequence[int], dropout: float, heads: Mapping[str, Head]
    ) -> None:
        """``in_features``: of an image, channels times places."""
        self.dense = Dense(in_features, hidden, dropout)
        self.heads = nn.ModuleDict(
            {
                task: FullPrecisionLinear(self.dense.out_features, head.channels)
                for task, head in heads.items()
            }
        )

    @abstractmethod
    def features(self, image: Tensor) -> Tensor:
        """Image (B, in_channels, *size) -> (B, C, h, w)."""

    def forward(self, image: Tensor) -> Outputs:
        """Raises ``CnnlibError`` for an image that the net cannot take."""
        check_image(image, self.in_channels)
        if tuple(image.shape[2:]) != self.size:
            (height, width), (h, w) = self.size, image.shape[2:]
            raise CnnlibError(
                f"{type(self).__name__} takes images of {height} x {width} pixels (height x width) and no others, "
                f"for its linear layers have a weight for every place in them; this one is {h} x {w}: resize it to "
                f"{height} x {width}, or make the model with size=({h}, {w})"
            )
        x = self.dense(self.features(image))
        return {task: head(x) for task, head in self.heads.items()}

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """Those that every task's output depends on."""
        return (value for name, value in self.named_parameters() if not name.startswith("heads."))
