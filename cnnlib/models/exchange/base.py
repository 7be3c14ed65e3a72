"""What exchanges have in common: the three places at which tasks can learn from each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import ClassVar

from torch import Tensor, nn

from cnnlib.models.decoders import Features, MapDecoder
from cnnlib.models.encoders import FeatureSource
from cnnlib.types import Head

Maps = dict[str, Tensor]
"""By task, (B, C, h, w) each."""


class Exchange(nn.Module):
    """How the tasks of ``multi_task`` learn from each other: in the encoder, behind it, or between their decoded maps.

    This one does nothing at any of these places, so that tasks have the encoder in common and nothing else; others
    override what they do. It is made before the encoder, and completed by ``build`` when all parts are there.

    Its modules are named so that a run which starts from one of other tasks can take over what both have: what is one
    task's own stands in a ``ModuleDict`` under the task's name, what that takes from another task in one called
    ``messages`` therein, and all that depends on what a task predicts in one called ``first``.

    Args:
        heads: what each task asks for.

    Attributes:
        joins_maps: the output of every task with a map depends on the decoders of all such tasks.
    """

    joins_maps: ClassVar[bool] = False

    def __init__(self, heads: Mapping[str, Head]) -> None:
        super().__init__()
        self.tasks = tuple(heads)

    def make_encoder(self, make: Callable[[], nn.Module]) -> nn.Module:
        """The model's encoder, of which ``make`` makes a plain one."""
        return make()

    def build(self, encoder: FeatureSource, decoder: MapDecoder | None) -> None:
        """Makes the layers that depend on the other parts.

        Args:
            decoder: one of the tasks' decoders, which are alike; ``None`` where no task asks for a map.

        Raises:
            CnnlibError: the exchange does not fit the encoder or the decoder.
        """

    def features(self, features: Features) -> Mapping[str, Features]:
        """What each task's decoder and head work on, from what the encoder gives."""
        return dict.fromkeys(self.tasks, features)

    def maps(self, maps: Maps) -> tuple[Maps, Maps]:
        """What the heads of maps work on, from what the decoders give; and first predictions (B, channels, h, w) that
        are trained like the final ones.
        """
        return maps, {}

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """Its own, those that the output of every task depends on; with ``joins_maps``, of every task with a map."""
        return iter(())
