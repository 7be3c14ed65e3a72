"""The tasks that a configuration asks for, and how much each counts."""

from __future__ import annotations

from collections.abc import Mapping

from cnnlib.config import ExperimentConfig
from cnnlib.tasks import Task
from cnnlib.tasks.saved import build_tasks
from cnnlib.types import NOT_TARGETS, CnnlibError, TargetInfo


def make_tasks(config: ExperimentConfig, targets: Mapping[str, TargetInfo]) -> dict[str, Task]:
    if taken := [name for name in NOT_TARGETS if name in targets]:
        raise CnnlibError(
            f"dataset {config.dataset.name!r}: a target cannot be called {taken[0]!r}, as other parts of a sample are: "
            f"{', '.join(NOT_TARGETS)}; give it another name"
        )
    sections = {name: {"name": task.name, **task.options} for name, task in config.tasks.items()}
    return build_tasks(sections, targets)


def task_weights(config: ExperimentConfig) -> dict[str, float]:
    """The weight of each task's loss; 0 where all its terms have a weight of 0."""
    return {
        name: task.weight if any(term.weight > 0 for term in task.loss) else 0.0
        for name, task in config.tasks.items()
    }
