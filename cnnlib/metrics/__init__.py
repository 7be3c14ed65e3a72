"""How good predictions are, measured on a whole split. Each task makes its own."""

from cnnlib.metrics.base import PerImageRows, PerImageSums
