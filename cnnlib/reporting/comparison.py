"""Each experiment against the baseline: verdicts, as data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from statistics import fmean

import numpy as np

from cnnlib.reporting.folds import fold_differences, fold_scores
from cnnlib.reporting.looks import price_of_looking
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_result import RunResult
from cnnlib.reporting.scores import Scores, scores_of
from cnnlib.reporting.seed_variance import SeedVariances, enough_for_blocks
from cnnlib.reporting.statistics import LARGEST_LOGARITHM, LEVEL, Difference, difference, holm

MARGIN_OF_SHARES, MARGIN_OF_ERRORS = 0.01, 0.05
"""What counts as equal where the suite does not say: a difference of shares; a share of an error."""


class Verdict(Enum):
    """What a comparison shows; the value is how it is called."""

    BASELINE = "baseline"
    BETTER = "better"
    WORSE = "worse"
    EQUAL = "equal"
    """Within the margin."""
    UNDECIDED = "undecided"
    UNCLEAR = "unclear"
    """The images one by one say the opposite of the whole split."""
    NOT_COMPARED = "not compared"


OPEN = (Verdict.UNDECIDED, Verdict.UNCLEAR)
"""What more seeds may settle."""


@dataclass(frozen=True)
class Comparison:
    """An experiment against the baseline in one metric.

    Attributes:
        difference: of the means, or of their logarithms where ``ratio`` (see ``cnnlib.reporting.statistics``); ``None``
            where nothing could be compared, for the ``reason`` given.
        in_percent: the difference is one of shares that are written in percent.
        margin: what counts as equal: a difference, or a share of the baseline's error where ``ratio``.
        p, p_equal: of no difference, and of one beyond the margin; corrected for the number of comparisons and of
            looks at them.
        one_run: it speaks of one training run and not of the method: another seed may turn it round.
        more_seeds: how many more would probably decide it; ``None`` where it is decided or a hundred would not do.
        seconds: of training that one more seed takes, of both experiments together.
    """

    verdict: Verdict
    difference: Difference | None = None
    ratio: bool = False
    in_percent: bool = False
    margin: float = math.nan
    p: float = math.nan
    p_equal: float = math.nan
    one_run: bool = False
    more_seeds: int | None = None
    seconds: float = math.nan
    reason: str = ""

    @property
    def effect(self) -> tuple[float, float, float]:
        """The difference, or the ratio to the baseline, and its 95 % interval."""
        if self.difference is None:
            return math.nan, math.nan, math.nan
        effect = (self.difference.value, *self.difference.interval())
        if not self.ratio:
            return effect
        value, low, high = (math.exp(min(logarithm, LARGEST_LOGARITHM)) for logarithm in effect)
        return value, low, high

    @property
    def p_of_verdict(self) -> float:
        return self.p_equal if self.verdict is Verdict.EQUAL else self.p

    @property
    def small(self) -> bool:
        """Shown to be within the margin."""
        return self.p_equal < LEVEL


@dataclass(frozen=True)
class MetricComparisons:
    """Every finished experiment, the baseline too, in one metric.

    ``shared`` is the share of the seeds' variance that runs of one seed have in common; ``None`` where it could not be
    estimated from so few runs.
    """

    experiments: Mapping[str, Comparison]
    shared: float | None


def compare_suite(suite: SuiteResults) -> dict[str, MetricComparisons]:
    """Metric to comparisons, in the metrics that the suite is tested by, which were declared before anything ran.

    In a suite that ends when all is decided, what was decided at one look stays as it was. Empty for a single
    experiment, or where the baseline has no finished run.
    """
    if suite.baseline not in suite.finished or len(suite.finished) < 2:
        return {}
    tests: dict[tuple[str, str], Comparison] = {}  # by metric and experiment
    judged: dict[tuple[str, str], Comparison] = {}
    shared: dict[str, float | None] = {}
    for index, count in enumerate(suite.looks):
        waiting = [name for (_, name), one in judged.items() if one.verdict in OPEN]
        if judged and not (waiting and suite.has_ended([suite.baseline, *waiting], count)):
            break
        runs = suite.finished_under(suite.seeds[:count])
        if suite.baseline not in runs:
            continue
        baselines = all_against(suite.baseline, runs)
        decided = {key: one for key, one in judged.items() if one.verdict not in OPEN}
        for metric in suite.tested_by:
            new, shared[metric] = _test(metric, suite, baselines, runs)
            for name, one in new.items():
                if (metric, name) not in decided:
                    tests[metric, name] = priced(one, suite.looks[: index + 1], suite.looks[-1])
        judged = _judged(tests, baselines, suite.ranked_by, runs) | decided
    return {
        metric: MetricComparisons(
            {suite.baseline: Comparison(Verdict.BASELINE)}
            | {name: judged[metric, name] for name in suite.finished if (metric, name) in judged},
            shared[metric],
        )
        for metric in shared
    }


def compare_steps(
    suite: SuiteResults,
    references: Mapping[str, str],
    others: Mapping[str, Sequence[RunResult]] = {},
) -> dict[tuple[str, str], Comparison]:
    """Metric and experiment to its comparison with a baseline of its own, in the metrics that the suite is tested by.

    P-values are corrected for the number of steps and metrics, and, where seeds were added until all was decided, for
    as many looks as there may have been.

    Args:
        references: experiment to its baseline, both with finished runs.
        others: the runs of baselines that are not in the suite. They say nothing of the suite's own variances.
    """
    tests: dict[tuple[str, str], Comparison] = {}
    inside = {name: baseline for name, baseline in references.items() if baseline not in others}
    for metric in suite.tested_by:
        tested, _ = _test(metric, suite, inside, suite.finished)
        for name in references.keys() - inside.keys():
            pair = {references[name]: others[references[name]], name: suite.finished[name]}
            tested |= _test(metric, suite, {name: references[name]}, pair)[0]
        for name in references:
            tests[metric, name] = priced(tested[name], suite.looks, suite.looks[-1])
    return _judged(tests, references, suite.ranked_by, suite.finished | others)


def undecided(compared: Mapping[str, MetricComparisons]) -> list[str]:
    """The experiments that more seeds may yet distinguish from the baseline, or show to be equal, in some metric."""
    comparisons = [pair for metric in compared.values() for pair in metric.experiments.items()]
    return list(dict.fromkeys(name for name, one in comparisons if one.verdict in OPEN))


def all_against(baseline: str, experiments: Iterable[str]) -> dict[str, str]:
    """Every experiment but the baseline itself, to the baseline."""
    return {name: baseline for name in experiments if name != baseline}


def differences(
    scores: Mapping[str, Scores],
    baselines: Mapping[str, str],
    planned: int,
    of_runs: Mapping[str, Scores] | None = None,
) -> tuple[dict[str, Difference | str], SeedVariances | None]:
    """Experiments' differences to their baselines, or why there is none; and what was learned of the seeds.

    The latter is ``None`` where no experiment has two runs.

    Args:
        scores: of experiments that have some, those of ``baselines`` among them: all say how much seeds vary.
        baselines: experiment to what it is compared with.
        planned: seeds that were to be run before the first look; whether seeds are blocks goes by it, at later looks
            too, for a test that changes on the way has more false findings.
        of_runs: of the same runs the scores whose variance over seeds counts, where those are not the means of
            ``scores`` over images.
    """
    blocks = enough_for_blocks(len(scores), planned)
    variances = _variances(scores if of_runs is None else of_runs, blocks)
    order = list(scores)
    found: dict[str, Difference | str] = {}
    for name, baseline in baselines.items():
        ours, base = scores[name], scores[baseline]
        common = sorted(ours.keys() & base.keys())
        if blocks and not common:
            found[name] = f"it has no seed in common with {baseline}"
        elif variances is None and next(iter(base.values())).size < 2:
            found[name] = "one run of each on one image: it needs two seeds or two images"
        else:
            tables = [np.stack([one[seed] for seed in (common if blocks else one)]) for one in (ours, base)]
            of_seeds = variances and variances.of_difference(order.index(name), order.index(baseline))
            found[name] = difference(*tables, of_seeds, matched=blocks)
    return found, variances


def _variances(scores: Mapping[str, Scores], blocks: bool) -> SeedVariances | None:
    if max(map(len, scores.values())) < 2:
        return None
    seeds = sorted({seed for of_name in scores.values() for seed in of_name})
    means = [
        [of_name[seed].mean() if seed in of_name else math.nan for seed in seeds]
        for of_name in scores.values()
    ]
    return SeedVariances(np.array(means), blocks, smallest=(1e-12 * np.nanmax(np.abs(means))) ** 2)


def _test(
    metric: str, suite: SuiteResults, baselines: Mapping[str, str], runs: Mapping[str, Sequence[RunResult]]
) -> tuple[dict[str, Comparison], float | None]:
    """Every experiment of ``baselines``, nothing corrected, no verdict; and the share that seeds have in common (of the
    last, where there are several baselines).
    """
    ratio = not suite.ranked_by[metric]  # lower is better: an error
    margin = suite.margins.get(metric.partition("/")[0], MARGIN_OF_ERRORS if ratio else MARGIN_OF_SHARES)
    empty = Comparison(Verdict.NOT_COMPARED, ratio=ratio, margin=margin)
    tested = {
        name: replace(empty, reason=f"it is not tested on the images of {baseline}")
        for name, baseline in baselines.items()
    }
    shared = None
    for alike in _on_the_same_images(runs):
        pairs = {name: base for name, base in baselines.items() if name in alike and base in alike}
        if pairs:
            found, shared = _test_alike(metric, suite, pairs, {name: runs[name] for name in alike}, empty)
            tested |= found
    return tested, shared


def _on_the_same_images(runs: Mapping[str, Sequence[RunResult]]) -> list[set[str]]:
    """The experiments in groups that are tested on the same images; those of which it is not known are in all."""
    images = {
        name: next((run.images for run in of_name if run.images), None) for name, of_name in runs.items()
    }
    kinds = [kind for kind in dict.fromkeys(images.values()) if kind] or [None]
    return [{name for name, own in images.items() if own in (kind, None)} for kind in kinds]


def _test_alike(
    metric: str,
    suite: SuiteResults,
    baselines: Mapping[str, str],
    runs: Mapping[str, Sequence[RunResult]],
    empty: Comparison,
) -> tuple[dict[str, Comparison], float | None]:
    """``_test`` of experiments on the same images.

    Args:
        empty: a comparison without a result.
    """
    ratio, margin = empty.ratio, empty.margin
    scores, reasons = (fold_scores if suite.folds else scores_of)(metric, runs, ratio)
    known = {name: base for name, base in baselines.items() if name in scores and base in scores}
    found, variances = {}, None
    if suite.folds:
        found = fold_differences(scores, known, suite.folds)
    elif known:
        found, variances = differences(scores, known, suite.looks[0])
    tested: dict[str, Comparison] = {}
    for name, baseline in baselines.items():
        if baseline in reasons:
            tested[name] = replace(empty, reason=f"{baseline}: {reasons[baseline]}")
        elif name in reasons:
            tested[name] = replace(empty, reason=reasons[name])
    for name, one in found.items():
        if isinstance(one, str):
            tested[name] = replace(empty, reason=one)
        else:
            # Near is near on either side: an error of 1 / 1.05 of the baseline's as one of 1.05.
            far = math.log1p(margin) if ratio else margin
            tested[name] = replace(
                empty,
                difference=one,
                p=one.p,
                p_equal=one.p_outside(far),
                one_run=variances is None and not suite.folds,
            )
    return tested, variances.shared() if variances and variances.blocks else None


def priced(one: Comparison, looks: Sequence[int], last: int) -> Comparison:
    """With p-values that count the looks; a one-sided level is half of a two-sided one."""
    if one.difference is None:
        return one
    equal = price_of_looking(min(1.0, 2 * one.p_equal), looks, last) / 2
    return replace(one, p=price_of_looking(one.p, looks, last), p_equal=equal)


def _judged(
    tests: Mapping[tuple[str, str], Comparison],
    baselines: Mapping[str, str],
    ranked_by: Mapping[str, bool],
    runs: Mapping[str, Sequence[RunResult]],
) -> dict[tuple[str, str], Comparison]:
    """All comparisons with corrected p-values and verdicts.

    Args:
        baselines: experiment to what it is compared with.
    """
    known = {key: one for key, one in tests.items() if one.difference}
    corrected = holm([one.p for one in known.values()])
    equal = holm([one.p_equal for one in known.values()])
    judged = dict(tests)
    for ((metric, name), one), p, p_equal in zip(known.items(), corrected, equal, strict=True):
        found = replace(one, p=p, p_equal=p_equal)
        baseline = baselines[name]
        whole = _whole_split(metric, baseline, name, runs)
        found = replace(found, verdict=verdict_of(found, whole, ranked_by[metric]))
        if found.verdict in OPEN and not found.one_run:
            found = _with_plan(found, LEVEL / len(known), [*runs[name], *runs[baseline]])
        judged[metric, name] = found
    return judged


def verdict_of(one: Comparison, whole: float, higher_is_better: bool) -> Verdict:
    """
    Args:
        whole: the difference of the metrics of the whole split. A method can be better on most images and worse on the
            few with most of the pixels.
    """
    if one.p >= LEVEL:
        return Verdict.EQUAL if one.small else Verdict.UNDECIDED
    if one.difference.value * whole < 0:
        return Verdict.UNCLEAR
    return Verdict.BETTER if (one.difference.value > 0) == higher_is_better else Verdict.WORSE


def _whole_split(metric: str, baseline: str, name: str, runs: Mapping[str, Sequence[RunResult]]) -> float:
    ours, base = (fmean(run.test.get(metric, math.nan) for run in runs[one]) for one in (name, baseline))
    return ours - base


def _with_plan(one: Comparison, level: float, runs: Sequence[RunResult]) -> Comparison:
    far = math.log1p(one.margin) if one.ratio else one.margin
    seeds = one.difference.seeds_to_decide(far, level)
    seconds = 2 * fmean(run.result["seconds"] for run in runs)
    return replace(one, more_seeds=None if seeds is None else seeds - one.difference.seeds, seconds=seconds)
