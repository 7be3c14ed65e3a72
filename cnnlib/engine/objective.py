"""Several tasks' losses become the one number that a step goes down."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from cnnlib.tasks import Task
from cnnlib.types import Batch, CnnlibError, Outputs


class Objective(nn.Module):
    """The weighted sum of the tasks' losses.

    Args:
        tasks: what is predicted, by name.
        losses: one combined loss a task: ``loss(logits, pred, target, valid, image) -> (total, terms)``.
        weights: what each task's loss counts in the sum.
    """

    def __init__(
        self, tasks: Mapping[str, Task], losses: Mapping[str, nn.Module], weights: Mapping[str, float]
    ) -> None:
        super().__init__()
        self.tasks = dict(tasks)
        self.losses = nn.ModuleDict(losses)
        self.weights = dict(weights)

    def forward(self, outputs: Outputs, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum, and its parts for the log: ``<task>/loss``, and ``<task>/loss/<term>`` where a task has several."""
        if not (isinstance(outputs, Mapping) and self.tasks.keys() <= outputs.keys()):
            mapping = isinstance(outputs, Mapping)
            came = f"a mapping of {', '.join(outputs)}" if mapping else f"a {type(outputs).__name__}"
            wanted = f"a mapping of logits (B, C, H, W) for {', '.join(self.tasks)}"
            raise CnnlibError(f"the model must return {wanted}; it returned {came}")
        total = torch.zeros((), device=batch["image"].device)
        parts: dict[str, Tensor] = {}
        for name, task in self.tasks.items():
            logits = outputs[name]
            loss, terms = self.losses[name](
                logits, task.decode(logits), batch[name], batch[f"{name}_valid"], batch["image"]
            )
            total = total + self.weights[name] * loss
            parts[f"{name}/loss"] = loss.detach()
            if len(terms) > 1:
                parts |= {f"{name}/loss/{term}": value.detach() for term, value in terms.items()}
        return total, parts
