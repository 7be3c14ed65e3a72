"""Experiments of a suite that start from each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from cnnlib.config.errors import Problem
from cnnlib.lookup import unknown

if TYPE_CHECKING:
    from cnnlib.config.schema import ExperimentConfig

_LONGEST_CHAIN = 100
_MOST_SUGGESTED = 10


def parent_problems(experiments: Mapping[str, ExperimentConfig], names: Collection[str]) -> Iterator[Problem]:
    """Of ``start_from`` where it names no experiment, or leads back to the one that it begins with.

    Args:
        experiments: those that could be read.
        names: of all experiments.
    """
    starts = {name: config.start_from for name, config in experiments.items() if config.start_from}
    parents = {name: start.experiment for name, start in starts.items() if start.experiment is not None}
    known, unknown_ones = set(names), dict[str, str]()
    for name, given in parents.items():
        chain = [name]
        while (parent := parents.get(chain[-1])) is not None and parent not in chain:
            chain.append(parent)
            if len(chain) > _LONGEST_CHAIN:
                break
        text = ""
        if given not in known:
            if given not in unknown_ones:  # to look for the nearest name takes long among thousands
                near = len(unknown_ones) < _MOST_SUGGESTED
                unknown_ones[given] = (
                    unknown("experiment", given, names) if near else f"no experiment is named {given!r}"
                )
            text = f"{unknown_ones[given]}; a folder is written with a slash: ./{given}"
        elif parent == name:
            text = f"leads back to the experiment itself: {' -> '.join([*chain, name])}"
        elif len(chain) > _LONGEST_CHAIN:
            text = f"leads through more than {_LONGEST_CHAIN} experiments, each of which starts from another"
        if text:
            yield Problem("start_from.run", text).of(f"experiment {name!r}")
