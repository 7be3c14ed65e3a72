"""One step's gradient from the losses of several tasks, as a weighting wants it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import combinations

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from cnnlib.engine.means import Means
from cnnlib.engine.objective import Objective
from cnnlib.engine.randomness import drawn_again, random_states
from cnnlib.engine.task_gradients import TaskGradients, cosines
from cnnlib.types import Batch, CnnlibError, Combined, Outputs, TaskWeighting, TrainingStep


class WeightedStep:
    """``begin``, then ``backward`` for each batch, ``finish`` before the optimizer's step and ``learn`` after it.

    Losses are means over a batch, and a step's gradient is the mean over its batches and over the processes. Where the
    weights are known before the backward pass there is one, of the weighted sum. Else each task's gradients of
    the shared parameters are kept apart until all batches have been seen, and combined once. Parameters that are not
    shared then have the plain gradient of their own tasks.

    Args:
        fabric: devices, precision and processes.
        model: as ``fabric.setup`` returned it.
        objective: the tasks' losses and their weights in the configuration, on which every weighting stands.
        weighting: of the objective's trained tasks.
        seed: of the run.

    Raises:
        CnnlibError: the weighting reads gradients, and the model provides no shared parameters.
    """

    def __init__(
        self, fabric: Fabric, model: nn.Module, objective: Objective, weighting: TaskWeighting, seed: int
    ) -> None:
        self.fabric, self.model, self.objective = fabric, model, objective
        self.weighting, self.seed = weighting, seed
        self.tasks = tuple(objective.trained)
        if weighting.reads_gradients and not hasattr(model.module, "shared_parameters"):
            raise CnnlibError(
                f"{type(weighting).__name__} reads the tasks' gradients of the shared parameters, and "
                f"{type(model.module).__name__} has no method shared_parameters that gives them; add one, or take "
                "a weighting that reads losses alone"
            )
        self.start_epoch()

    def start_epoch(self) -> None:
        """Forgets what was logged."""
        self._log = Means()
        if len(self.tasks) > 1:
            nothing = torch.tensor(torch.nan)
            keys = [f"weighting/{name}" for name in self.tasks]
            if self.weighting.reads_gradients:
                keys += [key(*pair) for key in _PAIR_KEYS for pair in combinations(self.tasks, 2)]
            self._log.add(
                dict.fromkeys(keys, nothing)
            )  # an epoch without a step of theirs has their columns too

    def begin(self, batches: Sequence[Batch], epoch: int, index: int) -> None:
        """
        Args:
            batches: all batches of the step, in the order in which ``backward`` gets them, on any device.
            epoch, index: from 1; from 0 within the epoch.
        """
        known = torch.ones(len(batches), len(self.tasks))
        if not self.weighting.constant:
            known = torch.tensor(
                [[bool(batch[name].valid.any()) for name in self.tasks] for batch in batches]
            ).float()
        self._known, self._group, self._seen = known, len(batches), 0
        self._sums = torch.zeros(len(self.tasks), dtype=torch.float64, device=self.fabric.device)
        anywhere = known.amax(0)
        if not self.weighting.constant and self.fabric.world_size > 1:
            anywhere = self.fabric.all_reduce(anywhere.to(self.fabric.device), reduce_op="max").cpu()
        tasks = tuple(name for name, there in zip(self.tasks, anywhere.tolist(), strict=True) if there)
        self.step = TrainingStep(self.seed, epoch, index, tasks)
        apart = self._keeps_apart(len(batches))
        self._apart = TaskGradients(self._separated(), len(tasks)) if apart else None
        self._factors: Mapping[str, float] = dict.fromkeys(tasks, 1.0)
        if not self.weighting.weighs_by_losses:
            self._factors = self.weighting.weights(self.step)
        self._replay: list[tuple[Batch, list[Tensor]]] = []

    def bytes_apart(self, accumulate: int) -> int:
        """That the tasks' gradients take, in a step of ``accumulate`` batches."""
        if not self._keeps_apart(accumulate):
            return 0
        return len(self.tasks) * sum(each.numel() * each.element_size() for each in self._separated())

    def _keeps_apart(self, batches: int) -> bool:
        return self.weighting.reads_gradients or (self.weighting.weighs_by_losses and batches > 1)

    def _separated(self) -> Iterator[nn.Parameter]:
        module = self.model.module
        parameters = module.shared_parameters() if self.weighting.reads_gradients else module.parameters()
        return (parameter for parameter in parameters if parameter.requires_grad)

    def backward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Adds the gradient of one batch; the objective's sum for it, and the parts."""
        if self.weighting.looks_again:
            self._replay.append((batch, random_states(self.fabric.device)))
        with self._processes_apart():
            outputs = self.model(_image(batch))
            predicted, losses, parts = self.objective.task_losses(outputs, batch)
            self._note(losses)
            if self._apart is not None and self.step.tasks:
                self._backward_apart(losses)
            elif self.weighting.constant:
                self.fabric.backward(self.objective.total(losses) / self._group)
            else:
                if self.weighting.weighs_by_losses:
                    self._know_losses()
                    self._factors = self.weighting.weights(self.step)
                self.fabric.backward(self.objective.total(losses, self._factors) / self._group)
        return self.objective.total(predicted), parts

    def _processes_apart(self) -> AbstractContextManager[None]:
        """Without the averaging over processes that a backward pass would bring, where ``finish`` does it."""
        return self.fabric.no_backward_sync(self.model, enabled=self._apart is not None)

    def _note(self, losses: Mapping[str, Tensor]) -> None:
        if self.weighting.reads_losses or self.weighting.weighs_by_losses:
            values = torch.stack(
                [self.objective.weights[name] * losses[name].detach() for name in self.tasks]
            )
            self._sums += values.double()
        self._seen += 1

    def _backward_apart(self, losses: Mapping[str, Tensor]) -> None:
        absent = [losses[name] for name in self.tasks if name not in self.step.tasks]
        last = len(self.step.tasks) - 1
        for index, name in enumerate(self.step.tasks):
            loss = self.objective.weights[name] * self._factors[name] * losses[name]
            if (
                index == 0
            ):  # 0, with a gradient of 0: the optimizer treats all alike, as it would after one sum
                loss = sum(absent, loss)
            self.fabric.backward(loss / self._group, retain_graph=index < last)
            self._apart.take(index)

    def finish(self) -> None:
        """Leaves in the parameters' ``grad`` what the optimizer is to follow."""
        if (self.weighting.reads_losses or self.weighting.weighs_by_losses) and not self.step.losses:
            self._know_losses()
        if self._apart is not None:
            self._combine()
        if len(self.tasks) > 1:
            weighed = {name: self.objective.weights[name] * self._factors[name] for name in self.step.tasks}
            self._log.add({f"weighting/{name}": torch.tensor(weight) for name, weight in weighed.items()})

    def _combine(self) -> None:
        gradients = self._apart
        if self.fabric.world_size > 1:
            gradients.average(self._mean)
            self._mean([each.grad for each in self.model.module.parameters() if each.grad is not None])
        tasks = self.step.tasks
        if not tasks:
            return
        if not self.weighting.reads_gradients:
            self._factors = self.weighting.weights(self.step)
            gradients.give(Combined(torch.tensor([self._factors[name] for name in tasks])))
            return
        self.step.jacobian = gradients
        combined = Combined(torch.ones(len(tasks)))
        angles = cosines(gradients.gramian)
        if gradients.gramian.isfinite().all() and gradients.gramian.any():
            combined = self.weighting.combine(self.step)  # what is no number is found in the loss
        gradients.give(combined)
        self._factors = {
            name: self._factors[name] * float(weight)
            for name, weight in zip(tasks, combined.weights, strict=True)
        }
        for one, other in combinations(range(len(tasks)), 2):
            cosine, pair = angles[one, other], (tasks[one], tasks[other])
            against = torch.where(cosine.isnan(), cosine, (cosine < 0).double())
            self._log.add({_cosine_key(*pair): cosine, _conflict_key(*pair): against})

    def _mean(self, tensors: Sequence[Tensor]) -> None:
        """Replaces each by its mean over the processes."""
        if not tensors:
            return
        flat = self.fabric.all_reduce(torch.cat([each.flatten() for each in tensors]), reduce_op="mean")
        for tensor, part in zip(tensors, flat.split([each.numel() for each in tensors]), strict=True):
            tensor.copy_(part.view_as(tensor))

    def _know_losses(self) -> None:
        self.step.losses = self._means(self._sums)

    def _means(self, sums: Tensor) -> dict[str, float]:
        """Over the batches with a label, of all processes."""
        counts = self._known.sum(0).to(sums)
        both = torch.stack([sums, counts])
        if self.fabric.world_size > 1:
            both = self.fabric.all_reduce(both, reduce_op="sum")
        means = dict(zip(self.tasks, (both[0] / both[1]).tolist(), strict=True))
        return {name: means[name] for name in self.step.tasks}

    def learn(self) -> None:
        """After the optimizer's step: the weighting learns from it."""
        if not self.step.tasks:
            return
        if self.weighting.looks_again:
            self.step.losses_after = self._look_again()
        self.weighting.update(self.step)

    @torch.no_grad()
    def _look_again(self) -> dict[str, float]:
        """The losses of the step's batches under the new weights, with the same dropout."""
        module, sums = self.model.module, torch.zeros_like(self._sums)
        with _buffers_kept(module):
            for batch, states in self._replay:
                with drawn_again(states, self.fabric.device), self.fabric.autocast():
                    outputs: Outputs = module(_image(batch))
                outputs = {name: raw.float() for name, raw in outputs.items()}
                losses = self.objective.task_losses(outputs, batch).trained
                values = [self.objective.weights[name] * losses[name] for name in self.tasks]
                sums += torch.stack(values).double()
        return self._means(sums)

    def end_epoch(self) -> dict[str, float]:
        """Means over the epoch's steps; NaN where a task was in none of them.

        ``weighting/<task>`` is what the task's loss was multiplied by, its weight in the configuration included.
        Where gradients are read, ``weighting/cosine/<task>-<task>`` is the cosine of the angle between those of two
        tasks, and ``weighting/conflict/<task>-<task>`` the share of the steps in which it was below 0, which a mean
        around 0 does not show.
        """
        self.weighting.end_epoch()
        logged = self._log.compute()
        self.start_epoch()
        return logged


def _image(batch: Batch) -> Tensor:
    return batch["image"].contiguous(memory_format=torch.channels_last)


def _cosine_key(one: str, other: str) -> str:
    return f"weighting/cosine/{one}-{other}"


def _conflict_key(one: str, other: str) -> str:
    return f"weighting/conflict/{one}-{other}"


_PAIR_KEYS = (_cosine_key, _conflict_key)


@contextmanager
def _buffers_kept(module: nn.Module) -> Iterator[None]:
    """Running statistics are afterwards what they were before."""
    before = [buffer.clone() for buffer in module.buffers()]
    try:
        yield
    finally:
        for buffer, value in zip(module.buffers(), before, strict=True):
            buffer.copy_(value)
