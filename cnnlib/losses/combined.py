"""Several losses on one task, as one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from cnnlib.losses.base import Loss
from cnnlib.types import CnnlibError, LossInputs


class CombinedLoss(nn.Module):
    """The weighted sum of losses on one task; also of a single one, so that training knows one kind only.

    Args:
        terms: each loss, its weight and the values that it compares, under the name that it is logged by.

    Raises:
        CnnlibError: if there are no terms, or a weight is negative or not finite.
    """

    def __init__(self, terms: Mapping[str, tuple[Loss, float, str]]) -> None:
        super().__init__()
        if not terms:
            raise CnnlibError("a combined loss needs at least one term; it has none")
        for name, (_, weight, _) in terms.items():
            if not 0 <= weight < math.inf:
                raise CnnlibError(
                    f"the weight of loss {name!r} must be a number of at least 0; it is {weight!r}"
                )
        # Names stand apart from the modules, whose names cannot have the dots of outside code.
        self.names = tuple(terms)
        losses, self.weights, self.values = zip(*terms.values(), strict=True)
        self.losses = nn.ModuleList(losses)

    def forward(self, inputs: Callable[[str], LossInputs], image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum, and each term without its weight, detached, for the log.

        Args:
            inputs: gives what a loss on the values of that name compares; called once for each.
            image: what the model saw, (B, channels, H, W); only terms with ``needs_image`` look at it.
        """
        views = {values: inputs(values) for values in dict.fromkeys(self.values)}
        terms = [
            loss(*views[values], **({"image": image} if loss.needs_image else {}))
            for loss, values in zip(self.losses, self.values, strict=True)
        ]
        # A term that is only logged must not spoil the sum where it is NaN.
        weighted = [weight * term for weight, term in zip(self.weights, terms, strict=True) if weight > 0]
        total = torch.stack(weighted).sum() if weighted else 0 * terms[0]
        return total, {name: term.detach() for name, term in zip(self.names, terms, strict=True)}
