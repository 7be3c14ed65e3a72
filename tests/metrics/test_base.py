"""What every task's metric promises beyond the task's own contract: processes, copies, precision, broken input."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor

from cnnlib.metrics import PerImageRows
from cnnlib.tasks import TASKS, Task
from cnnlib.types import Target, TargetInfo
from tests.task_contract import SIZE, random_targets, raw_outputs

KINDS = pytest.mark.parametrize(
    "task",
    [task(info=TargetInfo(kind, names=("a", "b", "c"))) for kind, task in TASKS.items()],
    ids=list(TASKS),
)
IMAGES = 7


def _split(task: Task) -> tuple[Tensor, Target]:
    return task.decode(raw_outputs(task, IMAGES), SIZE), random_targets(task, IMAGES, "some")


def _measured(task: Task, pred: Tensor, target: Target, part: slice = slice(None)) -> PerImageRows:
    metric = task.metric()
    metric.update(pred[part], *(each[part] for each in target), SIZE)
    return metric


@KINDS
def test_processes_together_measure_the_whole_split(task: Task) -> None:
    """torchmetrics gathers each state from all processes; here the gathering gives what another object has."""
    pred, target = _split(task)
    here, there = (_measured(task, pred, target, part) for part in (slice(4), slice(4, None)))
    others = [torch.cat(state) if isinstance(state, list) else state for state in there.metric_state.values()]
    here.distributed_available_fn = lambda: True
    here.dist_sync_fn = lambda tensor, group: [
        tensor,
        next(other for other in others if other.dtype == tensor.dtype),
    ]
    assert here.compute() == pytest.approx(_measured(task, pred, target).compute(), rel=1e-12)
    assert len(here.per_image()[task.main_metric]) == 4


@KINDS
def test_reset_and_copies(task: Task) -> None:
    pred, target = _split(task)
    metric = _measured(task, pred, target)
    expected = metric.compute()
    for twin in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        assert twin.compute() == expected
    metric.reset()
    metric.update(pred[:2], target.value[:2], target.valid[:2], SIZE)
    alone = _measured(task, pred, target, slice(2)).compute()
    assert metric.compute() == pytest.approx(
        alone, rel=0, abs=0, nan_ok=True
    )  # a point may be seen in neither image
    assert len(metric.per_image()[task.main_metric]) == 2


@KINDS
def test_half_precision_and_gradients_are_taken_as_they_come(task: Task) -> None:
    pred, target = _split(task)
    pred = pred.bfloat16()
    metric = _measured(task, pred.clone().requires_grad_(), target)
    assert not metric.rows[0].requires_grad
    assert metric.compute() == _measured(task, pred.float(), target).compute()


@KINDS
def test_a_prediction_that_is_nan_is_never_better_than_none(task: Task) -> None:
    """It makes a metric NaN, or counts as wrong."""
    target = random_targets(task, 3)
    nothing = torch.full_like(task.decode(raw_outputs(task, 3), SIZE), torch.nan)
    score = task.score(_measured(task, nothing, target).compute())
    assert not score > 0


@KINDS
def test_batches_that_differ_in_size_are_refused(task: Task) -> None:
    pred, (value, valid) = _split(task)
    with pytest.raises(ValueError, match=f"must be of one batch; they hold {IMAGES}, {IMAGES} and 1 images"):
        task.metric().update(pred, value, valid[:1], SIZE)


@KINDS
def test_no_images_no_metrics(task: Task) -> None:
    with pytest.raises(ValueError, match="has seen no image"):
        task.metric().per_image()
    with (
        pytest.warns(UserWarning, match="before the ``update`` method"),
        pytest.raises(ValueError, match="no image"),
    ):
        task.metric().compute()
