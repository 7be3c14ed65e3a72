"""How good predictions are, measured on a whole split. Each task makes its own."""

from cnnlib.metrics.base import PerImageRows, PerImageSums
from cnnlib.metrics.box import BoxMetrics
from cnnlib.metrics.depth import DepthMetrics
from cnnlib.metrics.label import LabelMetrics, MultiLabelMetrics
from cnnlib.metrics.mask import MaskMetrics
from cnnlib.metrics.normals import NormalsMetrics
from cnnlib.metrics.points import PointsMetrics
from cnnlib.metrics.semantic import SemanticMetrics

__all__ = [
    "BoxMetrics",
    "DepthMetrics",
    "LabelMetrics",
    "MaskMetrics",
    "MultiLabelMetrics",
    "NormalsMetrics",
    "PerImageRows",
    "PerImageSums",
    "PointsMetrics",
    "SemanticMetrics",
]
