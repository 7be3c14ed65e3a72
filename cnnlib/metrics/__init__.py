"""How good predictions are, measured on a whole split; the table's keys are kinds of tasks."""

from cnnlib.metrics.base import PerImageSums
from cnnlib.metrics.depth import DepthMetrics
from cnnlib.metrics.mask import MaskMetrics

METRICS: dict[str, type[PerImageSums]] = {
    "mask": MaskMetrics,
    "depth": DepthMetrics,
}

__all__ = ["METRICS", "DepthMetrics", "MaskMetrics", "PerImageSums"]
