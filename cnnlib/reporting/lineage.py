"""The family tree of experiments: which started from which, what changed on the way, and what that brought."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from cnnlib.reporting.comparison import Comparison, compare_steps
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_result import RunResult
from cnnlib.reporting.summary import Summary, summarise_suite

Key: TypeAlias = tuple[Path, str]
"""A suite's folder, absolute, and an experiment of it."""


@dataclass(frozen=True)
class Step:
    """An experiment with all of its seeds.

    Attributes:
        inherits: it starts from another run's weights.
        reference: what its changes are counted from: the experiment that it starts from; for one that starts from
            scratch, the one before it in its suite. ``None`` where there is none.
        start: how it starts, in words.
        changes: how its configuration differs from the reference's, in words.
        notes: what is wrong with its parents, in words.
    """

    inherits: bool
    reference: Key | None
    start: str
    changes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lineage:
    """Experiments of one suite or several, in the order of the story: the suites', ancestors from elsewhere first.

    Attributes:
        suites: by folder, those of the ancestors too.
        own: the folders of the suites that were asked for.
    """

    suites: Mapping[Path, SuiteResults]
    own: frozenset[Path]
    steps: Mapping[Key, Step]

    @property
    def inherits(self) -> bool:
        """Any experiment starts from another."""
        return any(step.inherits for step in self.steps.values())

    @property
    def roots(self) -> list[Key]:
        return [key for key, step in self.steps.items() if not step.inherits or step.reference is None]

    def children(self, parent: Key) -> list[Key]:
        return [key for key, step in self.steps.items() if step.inherits and step.reference == parent]

    def runs(self, key: Key) -> list[RunResult]:
        folder, experiment = key
        return self.suites[folder].finished[experiment]

    def title(self, key: Key, seen_from: Path) -> str:
        """The experiment's name, with its suite's where it is seen from another suite's folder."""
        folder, experiment = key
        return experiment if folder == seen_from else f"{self.suites[folder].name}/{experiment}"

    @cached_property
    def summaries(self) -> dict[tuple[Key, str], Summary]:
        """By experiment and metric."""
        return {
            ((folder, summary.experiment), summary.metric): summary
            for folder, suite in self.suites.items()
            for summary in summarise_suite(suite)
        }

    def change(self, key: Key, metric: str) -> float:
        """The mean over the seeds less the reference's; NaN where there is none, no reference, or one that is tested on
        other images.
        """
        reference = self.steps[key].reference
        if reference:
            images = {self.runs(one)[0].images for one in (key, reference)} - {None}
            if len(images) > 1:
                return math.nan
        own, other = (self.summaries.get((one, metric)) for one in (key, reference))
        return own.mean - other.mean if own and other else math.nan

    @cached_property
    def comparisons(self) -> dict[tuple[Key, str], Comparison]:
        """Each experiment with its reference, by experiment and metric, where the suite tests that metric."""
        found: dict[tuple[Key, str], Comparison] = {}
        for folder, suite in self.suites.items():
            references = {
                key: step.reference for key, step in self.steps.items() if key[0] == folder and step.reference
            }
            names = {name: self.title(reference, folder) for (_, name), reference in references.items()}
            others = {
                self.title(reference, folder): self.runs(reference)
                for reference in references.values()
                if reference[0] != folder
            }
            compared = compare_steps(suite, names, others)
            found |= {((folder, name), metric): one for (metric, name), one in compared.items()}
        return found
