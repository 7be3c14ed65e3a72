"""Low-rank adapters on a frozen vision transformer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt
from torch import Tensor, nn

from cnnlib.checks import checked
from cnnlib.models.base import DropoutShare
from cnnlib.types import CnnlibError

_BASE, _OWN = ".base_layer.", "lora_"
"""What peft calls the adapted layer, and what its own begin with."""


@checked
@dataclass(frozen=True)
class LowRankAdapters:
    """Linear layers get a trained addition of low rank: ``y = W x + b + alpha / rank * B A x``; all else is frozen.

    A (rank, in) begins at random and B (out, rank) with zeros, so that training starts from the net as it is.

    Source: Hu et al., LoRA, ICLR 2022 (arXiv:2106.09685); the library peft

    Args:
        rank: of the addition.
        alpha: what the addition is multiplied by, times ``rank``.
        layers: which linear layers: those of ``attention``, or ``all`` of the transformer's.
        dropout: share of what enters A that training sets to 0.
    """

    rank: Annotated[int, Ge(1)] = 8
    alpha: Annotated[float, Gt(0)] = 16.0
    layers: Literal["attention", "all"] = "attention"
    dropout: DropoutShare = 0.0

    def put_on(self, net: nn.Module) -> None:
        """Adapts the layers of ``net``, and freezes it.

        Raises:
            CnnlibError: peft is not installed, or the net has no such layers.
        """
        paths = [path for path, layer in net.named_modules() if isinstance(layer, nn.Linear)]
        if self.layers == "attention":
            paths = [path for path in paths if "attn" in path.split(".")]
        if not paths:
            raise CnnlibError(
                f"adapters need linear layers of {self.layers}, and this net has none: take a vision transformer, "
                "such as vit_small_patch14_dinov2"
            )
        try:
            from peft import LoraConfig, inject_adapter_in_model  # an optional dependency, and slow to import
        except ImportError as error:
            raise CnnlibError(
                f"adapters need the library peft: pip install cnnlib[adapters] ({error})"
            ) from None
        net.requires_grad_(False)
        inject_adapter_in_model(
            LoraConfig(
                r=self.rank,
                lora_alpha=self.alpha,
                target_modules=paths,
                lora_dropout=self.dropout,
                bias="none",
            ),
            net,
        )

    def check_used(self, net: nn.Module, run: Callable[[nn.Module], Tensor]) -> None:
        """Adapts ``net``, and raises ``CnnlibError`` where what ``run`` makes of it passes an adapter by."""
        self.put_on(net)
        run(net).sum().backward()
        idle = [path for path, each in net.named_parameters() if each.requires_grad and each.grad is None]
        if idle:
            raise CnnlibError(
                f"adapters would do nothing at {idle[0].partition('.lora_')[0]!r}, for the net reads the layer's "
                "weights without calling it: take another vision transformer, such as vit_small_patch14_dinov2"
            )


def published(net: nn.Module) -> dict[str, Tensor]:
    """The state of a net, by the names that it has without adapters, and without theirs."""
    return {
        key.replace(_BASE, "."): value
        for key, value in net.state_dict().items()
        if not any(part.startswith(_OWN) for part in key.split("."))
    }
