"""Comparing experiments over folds, whose training sets overlap.

Means over k folds seem to vary less than they do, since any two training sets share most of their images. The corrected
resampled t-test (Nadeau and Bengio, 2003, https://doi.org/10.1023/A:1024068626366; for repeated cross-validation
Bouckaert and Frank, 2004) allows for it: the variance of a mean over n runs is ``(1 / n + test / train)`` times that of
one run, with ``test / train = 1 / (k - 1)``. Runs of one seed have the same test images, and are compared in pairs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from scipy import stats

from cnnlib.reporting.noise import Noise
from cnnlib.reporting.run_result import RunResult
from cnnlib.reporting.scores import Scores
from cnnlib.reporting.statistics import Difference


def margin_of_folds(values: np.ndarray, folds: int | None, level: float) -> float:
    """Half the ``1 - level`` interval of the mean of runs over folds; NaN of a single run.

    ``folds`` is ``None`` for independent runs.
    """
    if len(values) < 2:
        return math.nan
    share = 1 / len(values) + (1 / (folds - 1) if folds else 0.0)
    return float(stats.t.isf(level / 2, len(values) - 1) * values.std(ddof=1) * math.sqrt(share))


def fold_scores(
    metric: str, runs: Mapping[str, Sequence[RunResult]], ratio: bool
) -> tuple[dict[str, Scores], dict[str, str]]:
    """As ``scores_of``, with one number for each run: the metric of its whole test split."""
    found: dict[str, Scores] = {}
    reasons: dict[str, str] = {}
    for name, of_name in runs.items():
        values = {run.seed: run.test.get(metric, math.nan) for run in of_name}
        undefined = [seed for seed, value in values.items() if not math.isfinite(value)]
        if undefined:
            reasons[name] = f"undefined on the whole split under seed {undefined[0]}"
        elif ratio and min(values.values()) <= 0:
            reasons[name] = "errors are compared as ratios, which needs values above 0"
        else:
            found[name] = {
                seed: np.array([math.log(value) if ratio else value]) for seed, value in values.items()
            }
    return found, reasons


def fold_differences(
    scores: Mapping[str, Scores], baselines: Mapping[str, str], folds: int
) -> dict[str, Difference | str]:
    """Experiments' differences to their ``baselines``, or why there is none."""
    return {
        name: _fold_difference(scores[name], scores[baseline], folds) for name, baseline in baselines.items()
    }


def _fold_difference(ours: Scores, base: Scores, folds: int) -> Difference | str:
    common = sorted(ours.keys() & base.keys())
    if len(common) < 2:
        return "it needs two folds or more in common with the baseline"
    paired = np.array([(ours[seed] - base[seed]).item() for seed in common])
    largest = max(abs(score.item()) for of_one in (ours, base) for score in of_one.values())
    variance = max(float(paired.var(ddof=1)), (1e-12 * largest) ** 2, np.finfo(float).tiny)
    degrees = len(common) - 1.0
    whole = variance * (1 / len(common) + 1 / (folds - 1))
    return Difference(
        float(paired.mean()),
        Noise(parts=((whole, degrees),)),
        seeds=len(common),
        images=1,
        image_variance=variance / (folds - 1),
    )
