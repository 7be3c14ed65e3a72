"""One pass over a split: its loss, its metrics, its predictions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from cnnlib.engine.means import Means
from cnnlib.engine.objective import Objective
from cnnlib.tasks import Task
from cnnlib.types import Batch, Predicted, PredictionSink, SplitMetric, Target


@torch.inference_mode()
def evaluate(
    fabric: Fabric,
    model: nn.Module,
    loader: Iterable[Batch],
    objective: Objective,
    metrics: Mapping[str, SplitMetric],
    sinks: Sequence[PredictionSink] = (),
) -> dict[str, float]:
    """``loss`` (mean over images), the objective's parts and ``<task>/<metric>`` on everything ``loader`` gives.

    The metrics are reset first and keep what they saw, so that a caller may ask them for each image's numbers.
    Every decoded prediction goes to every sink.
    """
    model.eval()
    for metric in metrics.values():
        metric.reset()
    images, total_loss, means = 0, 0.0, Means()
    for batch in map(fabric.to_device, loader):
        with fabric.autocast():
            outputs = model(batch["image"].contiguous(memory_format=torch.channels_last))
        total, parts = objective(outputs, batch)
        count = len(batch["image"])
        images += count
        total_loss += float(total) * count
        for name in objective.tasks:
            labelled = batch[name].valid.reshape(count, -1).any(1).sum()
            means.add({key: value for key, value in parts.items() if key.startswith(f"{name}/")}, labelled)
        size = batch["image"].shape[-2:]
        predictions = {name: task.decode(outputs[name], size) for name, task in objective.tasks.items()}
        for name, metric in metrics.items():
            metric.update(predictions[name], *batch[name], size)
        for sink in sinks:
            send(sink, objective.tasks, batch, predictions)
    return {"loss": total_loss / images} | means.compute() | computed(metrics)


def computed(metrics: Mapping[str, SplitMetric]) -> dict[str, float]:
    """Every task's metrics, keyed ``<task>/<metric>``."""
    return {
        f"{name}/{key}": float(value)
        for name, metric in metrics.items()
        for key, value in metric.compute().items()
    }


def send(
    sink: PredictionSink, tasks: Mapping[str, Task], batch: Batch, predictions: Mapping[str, Tensor]
) -> None:
    """A batch's predictions to a sink, sample by sample, on the CPU."""
    for index, name in enumerate(batch["name"]):
        targets = {task: Target(*(entry[index].cpu() for entry in batch[task])) for task in tasks}
        sample = Predicted(
            name,
            batch["image"][index].cpu(),
            {task: predictions[task][index].cpu() for task in tasks},
            {task: target for task, target in targets.items() if target.valid.any()},
            batch.get("group", batch["name"])[index],
        )
        sink.write(sample)


def mean_score(tasks: Mapping[str, Task], numbers: Mapping[str, float]) -> float:
    """The mean of the tasks' scores; a task without a valid target is left out.

    ``numbers`` is keyed as ``evaluate`` returns it. NaN if no task could be scored.
    """
    scores = []
    for name, task in tasks.items():
        prefix = f"{name}/"
        own = {key.removeprefix(prefix): value for key, value in numbers.items() if key.startswith(prefix)}
        scores.append(task.score(own))
    scored = [score for score in scores if score == score]  # NaN differs from itself
    return sum(scored) / len(scored) if scored else float("nan")
