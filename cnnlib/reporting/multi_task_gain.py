"""What training tasks together gains or costs against a net of its own for each: delta_mtl.

Of an experiment of T tasks, with M a task's main metric of the whole test split (mean over seeds),

    delta_mtl = 1 / T * sum over tasks of (M - M_alone) / M_alone, the sign turned where lower is better

(K.-K. Maninis, I. Radosavovic, I. Kokkinos: "Attentive Single-Tasking of Multiple Tasks", CVPR 2019,
https://arxiv.org/abs/1904.08918). 0.03 means: 3 % better than single-task nets, on average over the tasks.

**Its noise** is that of the same sum for each run, M_alone fixed, as ``cnnlib.reporting.statistics`` has it: seeds and
images are both random. How much seeds vary is seen in the runs' whole-split metrics, of which delta_mtl is made; how
much images do, in the scores of single images. The noise of the single-task nets counts as if both were equally good,
which is right to first order in delta_mtl.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from statistics import fmean

import numpy as np

from cnnlib.files import write_csv
from cnnlib.reporting.comparison import (
    MARGIN_OF_SHARES,
    Comparison,
    Verdict,
    all_against,
    differences,
    priced,
    verdict_of,
)
from cnnlib.reporting.folds import fold_differences, fold_scores
from cnnlib.reporting.results import SuiteResults
from cnnlib.reporting.run_result import RunResult
from cnnlib.reporting.scores import Scores, labelled_groups, scores_of
from cnnlib.reporting.single_task import single_task_baselines
from cnnlib.reporting.statistics import Difference, holm
from cnnlib.reporting.words import verdict_words

_ALONE = "the single-task nets"
"""No experiment can be called so: a folder's name has no blanks."""
_NOTHING = Comparison(Verdict.NOT_COMPARED, in_percent=True, margin=MARGIN_OF_SHARES)


@dataclass(frozen=True)
class Gain:
    """One experiment's.

    Attributes:
        value: delta_mtl, a share; NaN where it is undefined, for the ``reason`` given.
        of_tasks: each task's part, before the mean.
        alone: task to the experiment that trains it alone.
        against_alone: of ``value`` and 0.
        against_baseline: of the difference to delta_mtl of the suite's baseline.
    """

    value: float
    of_tasks: Mapping[str, float]
    alone: Mapping[str, str]
    against_alone: Comparison
    against_baseline: Comparison
    reason: str = ""


def gains(suite: SuiteResults) -> dict[str, Gain]:
    """Multi-task experiment to its gain; empty for a suite that trains no task alone.

    P-values are corrected (Holm) for the number of experiments, and for the number of looks where seeds are added
    until all is decided; those against the single-task nets and those against the baseline apart.
    """
    baselines, reasons = single_task_baselines(suite)
    found = {name: Gain(math.nan, {}, {}, _NOTHING, _NOTHING, reason) for name, reason in reasons.items()}
    families: dict[tuple[tuple[str, str], ...], list[str]] = {}
    for name, alone in baselines.items():
        families.setdefault(tuple(alone.items()), []).append(name)
    for family, names in families.items():
        found |= _of_family(suite, dict(family), names)
    ordered = {name: found[name] for name in suite.finished if name in found}
    return _judged(ordered)


def write_gains(suite: SuiteResults) -> Path | None:
    """``delta_mtl.csv`` in the suite's folder, one row per multi-task experiment; none where there is no single-task
    baseline.

    Columns: experiment, delta_mtl, low, high (its 95 % interval), verdict, p (against the single-task nets); over,
    over_low, over_high, over_verdict, over_p (the same of the difference to the suite's baseline); a column per task
    with its part, and ``alone_<task>`` with its single-task baseline.
    """
    found = gains(suite)
    path = suite.folder / "delta_mtl.csv"
    if not found:
        path.unlink(missing_ok=True)  # of an earlier config
        return None
    tasks = list(dict.fromkeys(task for gain in found.values() for task in gain.of_tasks))
    rows = []
    for name, gain in found.items():
        row = {"experiment": name, "delta_mtl": gain.value}
        for prefix, one in (("", gain.against_alone), ("over_", gain.against_baseline)):
            value, low, high = one.effect
            row |= {f"{prefix}low": low, f"{prefix}high": high, f"{prefix}p": one.p}
            row |= {f"{prefix}verdict": verdict_words(one)} | ({"over": value} if prefix else {})
        row |= {f"alone_{task}": experiment for task, experiment in gain.alone.items()}
        rows.append(row | dict(gain.of_tasks))
    columns = ["experiment", "delta_mtl", "low", "high", "verdict", "p"]
    columns += ["over", "over_low", "over_high", "over_verdict", "over_p", *tasks]
    columns += [f"alone_{task}" for task in tasks]
    write_csv(path, columns, [{key: row.get(key) for key in columns} for row in rows])
    return path


def _of_family(suite: SuiteResults, alone: Mapping[str, str], names: Sequence[str]) -> dict[str, Gain]:
    """Of experiments with the same single-task baselines; verdicts are not yet given."""
    metrics = {metric.partition("/")[0]: metric for metric in suite.ranked_by}
    metrics = {task: metrics[task] for task in alone}
    base = {task: _mean(suite.finished[one], metrics[task]) for task, one in alone.items()}
    signs = {task: 1.0 if suite.ranked_by[metric] else -1.0 for task, metric in metrics.items()}
    bad = next((task for task, value in base.items() if not value > 0), None)
    if bad is not None:
        reason = f"{metrics[bad]} of {alone[bad]} is {base[bad]:.4g}, and gains are shares of it"
        return {name: Gain(math.nan, {}, alone, _NOTHING, _NOTHING, reason) for name in names}
    of_tasks = {
        name: {
            task: signs[task] * (_mean(suite.finished[name], metric) / base[task] - 1)
            for task, metric in metrics.items()
        }
        for name in names
    }
    values = {name: fmean(parts.values()) for name, parts in of_tasks.items()}
    scores, reasons = _scores(suite, alone, names, metrics, signs)
    to_alone = _differences(suite, scores, dict.fromkeys(scores.keys() - {_ALONE}, _ALONE))
    together = {name: one for name, one in scores.items() if name != _ALONE}
    to_baseline = {}
    if suite.baseline in together:
        to_baseline = _differences(suite, together, all_against(suite.baseline, together))
    found = {}
    for name in names:
        over = values[name] - values.get(suite.baseline, math.nan)
        against_baseline = _compared(suite, to_baseline.get(name), over)
        if name == suite.baseline:
            against_baseline = Comparison(Verdict.BASELINE)
        elif suite.baseline not in names:
            against_baseline = replace(
                _NOTHING, reason=f"{suite.baseline} has other single-task nets, or none"
            )
        found[name] = Gain(
            values[name],
            of_tasks[name],
            alone,
            _compared(suite, to_alone.get(name), values[name]),
            against_baseline,
            reasons.get(name, ""),
        )
    return found


def _mean(runs: Sequence[RunResult], metric: str) -> float:
    return fmean(run.test.get(metric, math.nan) for run in runs)


@dataclass(frozen=True)
class _Scores:
    """Of one experiment's runs, or of the single-task nets.

    Attributes:
        of_images: of each group of images; their mean is 1 + delta_mtl, by the means over images.
        of_runs: 1 + delta_mtl of each run, by the metrics of the whole split.
    """

    of_images: Scores
    of_runs: Scores


def _scores(
    suite: SuiteResults,
    alone: Mapping[str, str],
    names: Sequence[str],
    metrics: Mapping[str, str],
    signs: Mapping[str, float],
) -> tuple[dict[str, _Scores], dict[str, str]]:
    """By experiment, those of the single-task nets under ``_ALONE``; or the reason why an experiment has none."""
    images: dict[str, list[tuple[np.ndarray, Scores]]] = {name: [] for name in [*names, _ALONE]}
    whole: dict[str, list[Scores]] = {name: [] for name in images}
    reasons: dict[str, str] = {}
    for task, metric in metrics.items():
        base = alone[task]
        runs = {name: suite.finished[name] for name in [*names, base]}
        of_images, why = (fold_scores if suite.folds else scores_of)(metric, runs, ratio=False)
        of_runs, _ = fold_scores(metric, runs, ratio=False)
        groups = np.array([""]) if suite.folds else labelled_groups(metric, runs)
        reasons |= {name: f"{metric}: {reason}" for name, reason in why.items() if name in names}
        if base not in of_images:
            return {}, dict.fromkeys(names, f"{base}: {why[base]}")
        for name, source in [*((name, name) for name in names if name in of_images), (_ALONE, base)]:
            images[name].append(
                (groups, _shares(of_images[source], of_images[base], signs[task] / len(metrics)))
            )
            whole[name].append(_shares(of_runs[source], of_runs[base], signs[task] / len(metrics)))
    known = {name: parts for name, parts in images.items() if name not in reasons}
    everything = reduce(np.union1d, [groups for groups, _ in known[_ALONE]])
    alone_group = np.array([""])
    found = {
        name: _Scores(_sum(parts, everything), _sum([(alone_group, one) for one in whole[name]], alone_group))
        for name, parts in known.items()
    }
    for name in [name for name, one in found.items() if not one.of_images]:
        reasons[name] = (
            f"{'they have' if name == _ALONE else 'it has'} no seed under which every task was measured"
        )
        del found[name]
    if _ALONE in reasons:
        reasons = dict.fromkeys(names, f"{_ALONE}: {reasons[_ALONE]}") | reasons
    return found, reasons


def _shares(scores: Scores, base: Scores, factor: float) -> Scores:
    """As shares of the mean of ``base``, times ``factor``."""
    mean = fmean(float(one.mean()) for one in base.values())
    return {seed: factor / mean * values for seed, values in scores.items()}


def _sum(parts: Sequence[tuple[np.ndarray, Scores]], everything: np.ndarray) -> Scores:
    """The tasks' scores added up, run by run; empty where no seed has all tasks.

    A task's mean over the groups that have its label, and the variance of that mean, stay what they are when it is
    spread over all groups.
    """
    seeds = [seed for seed in parts[0][1] if all(seed in scores for _, scores in parts)]
    found = {seed: np.zeros(len(everything)) for seed in seeds}
    for groups, scores in parts:
        place = np.searchsorted(everything, groups)
        for seed, total in found.items():
            values = scores[seed]
            total += values.mean()
            total[place] += (values - values.mean()) * (len(everything) / len(groups))
    return found


def _differences(
    suite: SuiteResults, scores: Mapping[str, _Scores], baselines: Mapping[str, str]
) -> Mapping[str, Difference | str]:
    if not baselines or not set(baselines.values()) <= scores.keys():
        return {}
    of_images = {name: one.of_images for name, one in scores.items()}
    if suite.folds:
        return fold_differences(of_images, baselines, suite.folds)
    of_runs = {name: {seed: one.of_runs[seed] for seed in one.of_images} for name, one in scores.items()}
    return differences(of_images, baselines, suite.looks[0], of_runs)[0]


def _compared(suite: SuiteResults, one: Difference | str | None, value: float) -> Comparison:
    """Nothing corrected but for looks, no verdict.

    Args:
        value: the difference in the metrics of the whole split, which the report shows.
    """
    if not isinstance(one, Difference) or not math.isfinite(value):
        return replace(_NOTHING, reason=one) if isinstance(one, str) else _NOTHING
    moved = replace(one, value=value)
    found = replace(_NOTHING, difference=moved, p=moved.p, p_equal=moved.p_outside(MARGIN_OF_SHARES))
    found = replace(found, one_run=all(len(runs) == 1 for runs in suite.finished.values()))
    return priced(found, suite.looks, suite.looks[-1])


def _judged(found: Mapping[str, Gain]) -> dict[str, Gain]:
    judged = dict(found)
    for field in ("against_alone", "against_baseline"):
        tested = {name: one for name, gain in found.items() if (one := getattr(gain, field)).difference}
        corrected = holm([one.p for one in tested.values()])
        equal = holm([one.p_equal for one in tested.values()])
        for (name, one), p, p_equal in zip(tested.items(), corrected, equal, strict=True):
            one = replace(one, p=p, p_equal=p_equal)
            verdict = verdict_of(one, one.difference.value, higher_is_better=True)
            judged[name] = replace(judged[name], **{field: replace(one, verdict=verdict)})
    return judged
