"""Every kind of task keeps the promises of tests/task_contract.py, and so will a newcomer's entry of the table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cnnlib.tasks import TASKS, LabelTask, PointsTask, Task
from cnnlib.types import TargetInfo
from tests.task_contract import TASK_CONTRACT

NAMES = ("first", "second", "third")
TASKS_AND_VARIANTS = {kind: task(info=TargetInfo(kind, names=NAMES)) for kind, task in TASKS.items()} | {
    "points from coordinates": PointsTask(TargetInfo("points", names=NAMES), head="coordinates"),
    "points in pairs": PointsTask(TargetInfo("points", names=NAMES, flip_order=(1, 0, 2))),
    "several labels": LabelTask(TargetInfo("label", names=NAMES, multi_label=True)),
}


@pytest.mark.parametrize("promise", TASK_CONTRACT, ids=lambda promise: promise.__name__)
@pytest.mark.parametrize("task", TASKS_AND_VARIANTS.values(), ids=list(TASKS_AND_VARIANTS))
def test_contract(task: Task, promise: Callable[[Task], None]) -> None:
    promise(task)


def test_the_table_is_keyed_by_kind() -> None:
    assert all(task.kind == name for name, task in TASKS.items())
