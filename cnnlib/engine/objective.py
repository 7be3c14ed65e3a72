"""The total loss to minimise: the weighted sum of the tasks' losses."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from cnnlib.tasks import Task
from cnnlib.types import Batch, CnnlibError, Outputs


class Losses(NamedTuple):
    """Of a batch, by task, without the tasks' weights.

    Attributes:
        predicted: of the predictions; a task without a valid target has 0 with a gradient of 0.
        trained: the same, with those of the further predictions that training has.
        parts: for the log: ``<task>/loss``, of the prediction; ``<task>/loss/<term>`` where a task has several terms;
            and ``<task>/loss/<which>`` for further predictions. NaN for a task without a valid target.
    """

    predicted: dict[str, Tensor]
    trained: dict[str, Tensor]
    parts: dict[str, Tensor]


class Objective(nn.Module):
    """The weighted sum of the tasks' losses.

    Args:
        tasks: what is predicted, by name.
        losses: one combined loss per task: ``loss(inputs, image) -> (total, terms)``, where ``inputs(values)`` gives
            what is compared.
        weights: the factor of each task's loss in the sum. The loss of a task of weight 0 is logged, and not trained.
    """

    def __init__(
        self, tasks: Mapping[str, Task], losses: Mapping[str, nn.Module], weights: Mapping[str, float]
    ) -> None:
        super().__init__()
        self.tasks = dict(tasks)
        self.losses = nn.ModuleDict(losses)
        self.weights = dict(weights)

    def forward(self, outputs: Outputs, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The sum for the predictions, and its parts for the log: see ``total`` and ``Losses``."""
        losses = self.task_losses(outputs, batch)
        return self.total(losses.predicted), losses.parts

    def task_losses(self, outputs: Outputs, batch: Batch) -> Losses:
        """Each task's loss. Further predictions of a task, outputs called ``<task>.<which>``, have the same."""
        if not (isinstance(outputs, Mapping) and self.tasks.keys() <= outputs.keys()):
            mapping = isinstance(outputs, Mapping)
            came = f"a mapping of {', '.join(outputs)}" if mapping else f"a {type(outputs).__name__}"
            raise CnnlibError(
                f"the model must return a mapping of raw outputs for {', '.join(self.tasks)}; it returned {came}"
            )
        losses = Losses({}, {}, {})
        for name in self.tasks:
            loss, terms = self._compared(name, name, outputs, batch)
            losses.predicted[name] = losses.trained[name] = loss
            logged = {f"{name}/loss": loss}
            if len(terms) > 1:
                logged |= {f"{name}/loss/{term}": value for term, value in terms.items()}
            for key in outputs:
                task, dot, further = key.partition(".")
                if dot and task == name:
                    loss, _ = self._compared(key, name, outputs, batch)
                    losses.trained[name] = losses.trained[name] + loss
                    logged[f"{name}/loss/{further}"] = loss
            known = batch[name].valid.any()
            losses.parts.update(
                {key: torch.where(known, value.detach(), torch.nan) for key, value in logged.items()}
            )
        return losses

    def _compared(
        self, key: str, name: str, outputs: Outputs, batch: Batch
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss of the output ``key`` for the task ``name``, and its terms."""
        count, _, *size = batch["image"].shape
        task = self.tasks[name]
        _check_output(key, outputs[key], task, (count, *size))
        inputs = partial(task.loss_inputs, raw=outputs[key], target=batch[name], size=tuple(size))
        return self.losses[name](inputs, batch["image"])

    def total(self, losses: Mapping[str, Tensor], factors: Mapping[str, float] | None = None) -> Tensor:
        """The sum of the trained tasks' losses, each times its weight.

        Args:
            factors: what the weights are multiplied by; nothing for a task that is not among them.
        """
        total = torch.zeros((), device=next(iter(losses.values())).device)
        for name in self.trained:  # what is only logged must not spoil the sum where it is NaN
            factor = 1.0 if factors is None else factors.get(name, 0.0)
            total = total + self.weights[name] * factor * losses[name]
        return total

    @property
    def trained(self) -> dict[str, Task]:
        """The tasks whose loss counts."""
        return {name: task for name, task in self.tasks.items() if self.weights[name] > 0}


def _check_output(name: str, raw: Tensor, task: Task, batch: tuple[int, int, int]) -> None:
    """Raises ``CnnlibError`` unless the output has the shape that the task's head asks for.

    Args:
        batch: images, and their height and width.
    """
    count, *size = batch
    wanted = (count, task.head.channels)
    is_map = task.head.shape == "map"
    if raw.shape[:2] != wanted or raw.ndim != (4 if is_map else 2):
        axes = ", ".join(map(str, wanted)) + (", H, W" if is_map else "")
        raise CnnlibError(f"the model's output for {name!r} must be ({axes}); it is {tuple(raw.shape)}")
    if task.full_size and list(raw.shape[2:]) != size:
        raise CnnlibError(
            f"the model's output for {name!r} must have the image's size, {size[0]} x {size[1]}: the task has a value "
            f"for every pixel; it is {raw.shape[2]} x {raw.shape[3]}"
        )
