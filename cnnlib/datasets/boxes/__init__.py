"""Pictures of one object each, from annotations of many formats."""

from cnnlib.datasets.boxes.source import Boxes

__all__ = ["Boxes"]
