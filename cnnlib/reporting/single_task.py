"""Which experiments are the single-task baselines of a multi-task experiment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cnnlib.reporting.results import SuiteResults

_SAME_BUDGET = ("dataset", "augmentations", "training", "start_from", "freeze")
_CLOSER = ("model", "optimizer", "schedule")
"""Of several with the same budget, the one that has the same task (and loss), then the one that shares these; the
earlier counts more."""


def single_task_baselines(suite: SuiteResults) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Multi-task experiment to ``{task: its single-task baseline}``, or to the reason why it has none.

    A single-task baseline trains that task alone, on the same data, for as many epochs of as large batches, from the
    same start. A task of weight 0 is not trained. Both are empty for a suite without such experiments.
    """
    configs = {name: run.config for name, run in suite.described.items()}
    alone: dict[str, list[str]] = {}
    for name, config in configs.items():
        tasks = _trained(config)
        if len(tasks) == 1:
            alone.setdefault(tasks[0], []).append(name)
    found: dict[str, dict[str, str]] = {}
    reasons: dict[str, str] = {}
    for name, config in configs.items():
        tasks = _trained(config)
        if len(tasks) < 2 or not alone:
            continue
        nearest = {task: _nearest(task, config, alone.get(task, []), configs) for task in tasks}
        lacking = [task for task, baseline in nearest.items() if baseline is None]
        if lacking:
            reasons[name] = f"no experiment trains {' or '.join(lacking)} alone with its data and training"
        else:
            found[name] = {task: baseline for task, baseline in nearest.items() if baseline is not None}
    return found, reasons


def _trained(config: Mapping[str, Any]) -> list[str]:
    return [task for task, section in config.get("tasks", {}).items() if float(section.get("weight", 1)) > 0]


def _nearest(
    task: str,
    config: Mapping[str, Any],
    candidates: Sequence[str],
    configs: Mapping[str, Mapping[str, Any]],
) -> str | None:
    fitting = [
        name for name in candidates if all(configs[name].get(key) == config.get(key) for key in _SAME_BUDGET)
    ]

    def shares(name: str) -> list[bool]:
        own, other = ({**each["tasks"][task], "weight": None} for each in (config, configs[name]))
        return [own == other, *(configs[name].get(key) == config.get(key) for key in _CLOSER)]

    return max(fitting, key=shares, default=None)
