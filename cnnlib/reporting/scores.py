"""One metric of every run and image, in the scale in which experiments are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from cnnlib.reporting.run_result import RunResult

Scores: TypeAlias = dict[int, np.ndarray]
"""Seed to the score of each group of images, (G,): the same groups in the same order in all."""


def scores_of(
    metric: str, runs: Mapping[str, Sequence[RunResult]], ratio: bool
) -> tuple[dict[str, Scores], dict[str, str]]:
    """Experiment to its scores on the images that have a label, or to the reason why it has none.

    Images of one group count as one. A run that has lost its ``per_image.csv`` is left out; an experiment in which a
    labelled image, or the whole split, is undefined has no scores, for a mean over the rest would be of other images.

    Args:
        ratio: scores are logarithms, of which differences are ratios. Each image's is such that the mean over images is
            the logarithm of the run's mean; it is linear in the image's value (the delta method).
    """
    images, labelled = _labelled(metric, runs)
    values = {
        name: {
            run.seed: np.array([run.per_image[metric].get(image, np.nan) for image in images])
            for run in of_name
            if metric in run.per_image
        }
        for name, of_name in runs.items()
    }
    _, group_of, sizes = np.unique(_groups(runs, images[labelled]), return_inverse=True, return_counts=True)
    found: dict[str, Scores] = {}
    reasons: dict[str, str] = {}
    for name, of_name in values.items():
        means = {
            seed: np.bincount(group_of, array[labelled], len(sizes)) / sizes
            for seed, array in of_name.items()
        }
        reason = _reason(
            metric, runs[name], {seed: array[labelled] for seed, array in of_name.items()}, ratio
        )
        if reason:
            reasons[name] = reason
        else:
            found[name] = {seed: _logarithms(mean) if ratio else mean for seed, mean in means.items()}
    return found, reasons


def labelled_groups(metric: str, runs: Mapping[str, Sequence[RunResult]]) -> np.ndarray:
    """The names of the groups that ``scores_of`` gives scores of, in its order."""
    images, labelled = _labelled(metric, runs)
    return np.unique(_groups(runs, images[labelled]))


def _labelled(metric: str, runs: Mapping[str, Sequence[RunResult]]) -> tuple[np.ndarray, np.ndarray]:
    """The names of all images that have the metric, and for which of them any run defines it."""
    tables = [
        run.per_image[metric] for of_name in runs.values() for run in of_name if metric in run.per_image
    ]
    images = list(dict.fromkeys(image for table in tables for image in table))
    known = [any(np.isfinite(table.get(image, np.nan)) for table in tables) for image in images]
    return np.array(images, dtype=object), np.array(known, dtype=bool)


def _groups(runs: Mapping[str, Sequence[RunResult]], images: Sequence[str]) -> list[str]:
    groups = {
        image: group for of_name in runs.values() for run in of_name for image, group in run.groups.items()
    }
    return [groups[image] for image in images]


def _reason(metric: str, runs: Sequence[RunResult], values: Mapping[int, np.ndarray], ratio: bool) -> str:
    """Why an experiment cannot be compared; empty if it can."""
    if not values:
        return "no run has it in per_image.csv"
    for seed, of_images in values.items():
        undefined = int((~np.isfinite(of_images)).sum())
        if undefined:
            return f"undefined on {undefined} of {len(of_images)} images under seed {seed}"
    for run in runs:
        if not np.isfinite(run.test.get(metric, np.nan)):
            return f"undefined on the whole split under seed {run.seed}"
    if ratio and any((of_images < 0).any() or of_images.mean() <= 0 for of_images in values.values()):
        return "errors are compared as ratios, which needs values above 0"
    return ""


def _logarithms(values: np.ndarray) -> np.ndarray:
    mean = values.mean()
    return np.log(mean) + (values - mean) / mean
