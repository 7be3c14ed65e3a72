"""Which experiments are the single-task baselines of a multi-task experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlib.reporting.results import SuiteResults

_SAME_BUDGET = ("dataset", "augmentations", "training")
_CLOSER = ("model", "optimizer", "schedule")
"""Of several with the same budget, the one that shares these too; the earlier counts more."""


def single_task_baselines(suite: SuiteResults) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Multi-task experiment to ``{task: its single-task baseline}``, or to the reason why it has none.

    A single-task baseline trains that task alone, on the same data, for as many epochs of as large batches. Both are
    empty for a suite without such experiments.
    """
    configs = {name: run.config for name, run in suite.described.items()}
    alone: dict[str, list[str]] = {}
    for name, config in configs.items():
        tasks = list(config.get("tasks", {}))
        if len(tasks) == 1:
            alone.setdefault(tasks[0], []).append(name)
    found: dict[str, dict[str, str]] = {}
    reasons: dict[str, str] = {}
    for name, config in configs.items():
        tasks = list(config.get("tasks", {}))
        if len(tasks) < 2 or not alone:
            continue
        nearest = {task: _nearest(config, alone.get(task, []), configs) for task in tasks}
        lacking = [task for task, baseline in nearest.items() if baseline is None]
        if lacking:
            reasons[name] = f"no experiment trains {' or '.join(lacking)} alone with its data and training"
        else:
            found[name] = {task: baseline for task, baseline in nearest.items() if baseline is not None}
    return found, reasons


def _nearest(
    config: Mapping[str, Any], candidates: Sequence[str], configs: Mapping[str, Mapping[str, Any]]
) -> str | None:
    fitting = [
        name for name in candidates if all(configs[name].get(key) == config.get(key) for key in _SAME_BUDGET)
    ]

    def shares(name: str) -> list[bool]:
        return [configs[name].get(key) == config.get(key) for key in _CLOSER]

    return max(fitting, key=shares, default=None)
