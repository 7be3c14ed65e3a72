"""The verdict on a model that was trained and tested on the same few batches."""

from __future__ import annotations

from collections.abc import Mapping

from cnnlib.tasks import Task

OVERFIT_STEPS = 100
"""An epoch on a few batches has about so many steps: with one step each, no usual number of epochs would be enough."""
_LEARNED = 0.9
"""Share of the constant predictor's distance from perfect that must be gone, by ``Task.score``."""


def overfit_verdict(
    tasks: Mapping[str, Task], test: Mapping[str, float], constant: Mapping[str, float], batches: int
) -> dict[str, bool | str]:
    """``can_learn``: every task has lost 90 % of the constant predictor's distance from perfect; and ``words``.

    Args:
        tasks: those that were trained.
        test, constant: the metrics of the model, not in training mode, and of the constant predictor, keyed
            ``<task>/<metric>``.
    """
    learned = {name: _learned(task, _own(test, name), _own(constant, name)) for name, task in tasks.items()}
    what = "one batch" if batches == 1 else f"{batches} batches"
    shown = ", ".join(
        f"{name}/{task.main_metric} {test[f'{name}/{task.main_metric}']:.3f} "
        f"(constant predictor {constant[f'{name}/{task.main_metric}']:.2g})"
        for name, task in tasks.items()
        if not learned[name] or all(learned.values())
    )
    if all(learned.values()):
        return {"can_learn": True, "words": f"it can learn {what}: {shown}"}
    advice = "look at the model, its loss or the learning rate"
    return {"can_learn": False, "words": f"it cannot learn {what}: {shown}; {advice}"}


def _own(metrics: Mapping[str, float], name: str) -> dict[str, float]:
    prefix = f"{name}/"
    return {key.removeprefix(prefix): value for key, value in metrics.items() if key.startswith(prefix)}


def _learned(task: Task, test: Mapping[str, float], constant: Mapping[str, float]) -> bool:
    return 1 - task.score(test) <= (1 - _LEARNED) * (1 - task.score(constant))
