"""How good predictions are, measured on a whole split. Each task makes its own."""

from cnnlib.metrics.base import PerImageRows, PerImageSums
from cnnlib.metrics.depth import DepthMetrics
from cnnlib.metrics.mask import MaskMetrics

__all__ = ["DepthMetrics", "MaskMetrics", "PerImageRows", "PerImageSums"]
