"""Several losses on one task, as one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from torch import Tensor, nn

from cnnlib.losses.base import Loss, check_option
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
            allowed = weight >= 0 and math.isfinite(weight)
            check_option(allowed, f"the weight of loss {name!r}", "a number of at least 0", weight)
        self.losses = nn.ModuleDict({name: loss for name, (loss, _) in terms.items()})
        self.weights = {name: float(weight) for name, (_, weight) in terms.items()}

    def prepare(self, targets: Iterable[Tensor]) -> None:
        """Shows the training targets to every term; see ``Loss.prepare``.

        Each term that learns from them walks ``targets`` for itself, so a generator will not do for two.
        """
        for loss in self.losses.values():
            loss.prepare(targets)

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
        values = {
            name: self._term(name, logits if loss.on_logits else pred, target, valid, image)
            for name, loss in self.losses.items()
        }
        total = sum(self.weights[name] * value for name, value in values.items())
        return total, {name: value.detach() for name, value in values.items()}

    def _term(
        self, name: str, output: Tensor, target: Tensor, valid: Tensor | None, image: Tensor | None
    ) -> Tensor:
        loss = self.losses[name]
        if not loss.needs_image:
            return loss(output, target, valid)
        if image is None:
            raise ValueError(f"loss {name!r} needs the image; pass it as image=")
        return loss(output, target, valid, image=image)
