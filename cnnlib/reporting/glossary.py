"""What each number of a report means, in one line for a reader who has not met it."""

from __future__ import annotations

METRICS = {
    "iou": "overlap of predicted and true mask divided by their union, all pixels of the split together; 1 is perfect",
    "dice": "twice the overlap divided by the two areas' sum; 1 is perfect",
    "precision": "share of the predicted foreground that is foreground; 1 is perfect",
    "recall": "share of the true foreground that was found; 1 is perfect",
    "mae": "mean absolute error of the depth, in metres; 0 is perfect",
    "rmse": "root of the mean squared depth error, in metres: large errors count more; 0 is perfect",
    "abs_rel": "mean of the depth error divided by the true depth; 0 is perfect",
    "silog": "spread of the log depth error, blind to one wrong scale for the whole picture; 0 is perfect",
    "delta1": "share of pixels whose depth is within a factor of 1.25 of the truth; 1 is perfect",
    "delta2": "the same within a factor of 1.25² = 1.56; 1 is perfect",
    "delta3": "the same within a factor of 1.25³ = 1.95; 1 is perfect",
}


def explain(metric: str) -> str:
    """What ``<task>/<metric>`` means; an empty string where it is not known here."""
    return METRICS.get(metric.rpartition("/")[2], "")
