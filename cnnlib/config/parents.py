"""Experiments of a suite that start from each other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from cnnlib.config.errors import Problem

if TYPE_CHECKING:
    from cnnlib.config.schema import ExperimentConfig


def parent_problems(experiments: Mapping[str, ExperimentConfig]) -> Iterator[Problem]:
    """Of ``start_from`` where it leads back to the experiment that it begins with.

    A name that is none of ``experiments`` may be a folder, or an experiment that the suite had in an earlier call.
    """
    parents = {
        name: config.start_from.run for name, config in experiments.items() if config.start_from is not None
    }
    for name in parents:
        chain = [name]
        while (parent := parents.get(chain[-1])) is not None and parent not in chain:
            chain.append(parent)
        if parent == name:
            text = f"leads back to the experiment itself: {' -> '.join([*chain, name])}"
            yield Problem("start_from.run", text).of(f"experiment {name!r}")
