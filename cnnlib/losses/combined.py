"""Several losses on one task, as one."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from cnnlib.checks import check_range
from cnnlib.losses.base import Loss
from cnnlib.types import CnnlibError


class CombinedLoss(nn.Module):
    """The weighted sum of losses on one task; also of a single one, so that training knows one kind only.

    Args:
        terms: each loss and its weight, under the name that it is logged by.

    Raises:
        CnnlibError: if there are no terms, or a weight is negative or not finite.
    """

    def __init__(self, terms: Mapping[str, tuple[Loss, float]]) -> None:
        super().__init__()
        if not terms:
            raise CnnlibError("a combined loss needs at least one term; it has none")
        for name, (_, weight) in terms.items():
            check_range(f"the weight of loss {name!r}", weight, least=0)
        self.names = tuple(terms)  # apart from the modules, whose names cannot have the dots of outside code
        self.losses = nn.ModuleList(loss for loss, _ in terms.values())
        self.weights = tuple(float(weight) for _, weight in terms.values())

    def forward(
        self,
        logits: Tensor,
        pred: Tensor,
        target: Tensor,
        valid: Tensor | None = None,
        image: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum, and each term without its weight, detached, for the log.

        Args:
            logits: raw outputs (B, C, H, W).
            pred: the same, decoded by their task.
            target, valid: as for every loss.
            image: what the model saw, (B, channels, H, W); only terms with ``needs_image`` look at it.

        Raises:
            ValueError: if the shapes differ, or a term needs the image and there is none.
        """
        values = []
        for name, loss in zip(self.names, self.losses, strict=True):
            if loss.needs_image and image is None:
                raise ValueError(f"loss {name!r} needs the image; pass it as image=")
            extra = {"image": image} if loss.needs_image else {}
            values.append(loss(logits if loss.on_logits else pred, target, valid, **extra))
        total = sum(weight * value for weight, value in zip(self.weights, values, strict=True))
        return total, {name: value.detach() for name, value in zip(self.names, values, strict=True)}
