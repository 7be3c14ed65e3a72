"""Where samples come from."""

from cnnlib.datasets.fg_bg import DepthDataset
from cnnlib.datasets.scenes import Scenes
from cnnlib.types import DataSource

DATASETS: dict[str, type[DataSource]] = {
    "scenes": Scenes,
    "fg_bg": DepthDataset,
}

__all__ = ["DATASETS", "DepthDataset", "Scenes"]
