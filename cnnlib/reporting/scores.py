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
    tables = {
        name: {run.seed: run.per_image[metric] for run in of_name if metric in run.per_image}
        for name, of_name in runs.items()
    }
    images = dict.fromkeys(
        image for of_name in tables.values() for table in of_name.values() for image in table
    )
    values = {
        name: {
            seed: np.array([table.get(image, np.nan) for image in images]) for seed, table in of_name.items()
        }
        for name, of_name in tables.items()
    }
    everything = [array for of_name in values.values() for array in of_name.values()]
    labelled = np.isfinite(everything).any(axis=0) if everything else np.zeros(0, dtype=bool)
    groups = {
        image: group for of_name in runs.values() for run in of_name for image, group in run.groups.items()
    }
    kept = [image for image, known in zip(images, labelled, strict=True) if known]
    _, group_of, sizes = np.unique([groups[image] for image in kept], return_inverse=True, return_counts=True)
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
