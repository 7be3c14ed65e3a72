"""Each experiment against the baseline: verdicts, as data and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from statistics import mean

import numpy as np

from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.statistics import LEVEL, DifferenceTest, SeedVariance, difference_test, holm, moderate


class Verdict(Enum):
    """What a comparison shows; the value is how it is called."""

    BASELINE = "baseline"
    BETTER = "better"
    WORSE = "worse"
    NO_DIFFERENCE = "no difference shown"
    UNCLEAR = "unclear"
    """The images one by one say the opposite of the whole split."""
    NOT_COMPARED = "not compared"


@dataclass(frozen=True)
class Comparison:
    """An experiment against the baseline in one metric.

    ``seeds`` is the smaller of the two numbers of runs; ``images`` counts a group of images that are not independent
    as one. ``test`` (its p-value not corrected) is ``None`` where nothing could be compared; ``p`` is Holm's.
    """

    verdict: Verdict
    p: float = math.nan
    test: DifferenceTest | None = None
    seeds: int = 0
    images: int = 0

    @property
    def one_run(self) -> bool:
        """It speaks of one training run and not of the method: another seed may turn it round."""
        return self.seeds == 1 and self.test is not None

    @property
    def words(self) -> str:
        certain = self.verdict is not Verdict.UNCLEAR
        return self.verdict.value + (" (this training run only)" if self.one_run and certain else "")


def compare_suite(suite: SuiteResults) -> dict[str, dict[str, Comparison]]:
    """Metric, experiment to comparison: in the metrics that the runs are ranked by, and only in those.

    These were declared before anything ran. Empty for a single experiment, or where the baseline has no finished run.
    """
    finished = suite.finished
    if suite.baseline not in finished or len(finished) < 2:
        return {}
    compared = {}
    for metric, higher_is_better in suite.ranked_by.items():
        per_image = {
            name: {run.seed: _by_group(run.per_image.get(metric, {}), run.groups) for run in runs}
            for name, runs in finished.items()
        }
        means = {
            name: mean(run.test.get(metric, math.nan) for run in runs) for name, runs in finished.items()
        }
        compared[metric] = {
            name: _unless_contradicted(comparison, means[name] - means[suite.baseline])
            for name, comparison in compare_to_baseline(per_image, suite.baseline, higher_is_better).items()
        }
    return compared


def compare_to_baseline(
    per_image: Mapping[str, Mapping[int, Mapping[str, float]]], baseline: str, higher_is_better: bool
) -> dict[str, Comparison]:
    """Tests every experiment's difference to ``baseline`` in one metric, over the images that both define.

    Args:
        per_image: experiment, seed, image name to the metric's value. An image that is undefined (NaN) or missing
            in any run of an experiment is left out of it.
        baseline: one of the experiments.
        higher_is_better: what "better" means.
    """
    tables = {name: _by_image(runs) for name, runs in per_image.items()}
    known = {name: of_seeds for name, table in tables.items() if (of_seeds := _seed_variance(table))}
    variances = dict(zip(known, moderate(list(known.values())), strict=True))
    pairs = {
        name: _on_same_images(table, tables[baseline]) for name, table in tables.items() if name != baseline
    }
    tests = {
        name: difference_test(*pair, variances.get(name), variances.get(baseline))
        for name, pair in pairs.items()
        if min(len(table) for table in pair) > 1 or pair[0].shape[1] > 1
    }
    corrected = dict(zip(tests, holm([test.p for test in tests.values()]), strict=True))
    found = {baseline: Comparison(Verdict.BASELINE)}
    for name, (ours, base) in pairs.items():
        test, p = tests.get(name), corrected.get(name, math.nan)
        verdict = _verdict(test, p, higher_is_better)
        found[name] = Comparison(verdict, p, test, min(len(ours), len(base)), ours.shape[1])
    return {name: found[name] for name in per_image}


def _verdict(test: DifferenceTest | None, p: float, higher_is_better: bool) -> Verdict:
    if test is None:
        return Verdict.NOT_COMPARED
    if p >= LEVEL:
        return Verdict.NO_DIFFERENCE
    return Verdict.BETTER if (test.difference > 0) == higher_is_better else Verdict.WORSE


def _unless_contradicted(comparison: Comparison, difference: float) -> Comparison:
    """Unclear where the images one by one say the opposite of ``difference``, the whole split's.

    A method can be better on most images and worse on the few with most of the pixels.
    """
    shown = comparison.verdict in (Verdict.BETTER, Verdict.WORSE)
    contradicted = shown and comparison.test.difference * difference < 0
    return replace(comparison, verdict=Verdict.UNCLEAR) if contradicted else comparison


def _by_image(runs: Mapping[int, Mapping[str, float]]) -> dict[str, np.ndarray]:
    """Image name to the metric's values, one per run; only images that every run defines."""
    names = next(iter(runs.values()), {})
    values = {
        name: np.array([run.get(name, math.nan) for run in runs.values()], dtype=float) for name in names
    }
    return {name: of_runs for name, of_runs in values.items() if np.isfinite(of_runs).all()}


def _by_group(values: Mapping[str, float], groups: Mapping[str, str]) -> dict[str, float]:
    """Group to the mean of its images, the undefined ones left out."""
    members: dict[str, list[float]] = {}
    for image, value in values.items():
        if math.isfinite(value):
            members.setdefault(groups[image], []).append(value)
    return {group: mean(of_group) for group, of_group in members.items()}


def _on_same_images(
    ours: Mapping[str, np.ndarray], base: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Both as (seeds, images), of the images that both have; (0, 0) where there are none."""
    pairs = [(values, base[name]) for name, values in ours.items() if name in base]
    if not pairs:
        return np.zeros((0, 0)), np.zeros((0, 0))
    ours, base = (np.stack(values, axis=1) for values in zip(*pairs, strict=True))
    return ours, base


def _seed_variance(table: Mapping[str, np.ndarray]) -> SeedVariance | None:
    """``None`` for a single run."""
    means = np.mean(list(table.values()), axis=0) if table else np.zeros(0)
    return SeedVariance(float(means.var(ddof=1)), len(means) - 1) if len(means) > 1 else None
