"""Pictures and the places of points, from annotations of several formats."""

from cnnlib.datasets.keypoints.source import Keypoints

__all__ = ["Keypoints"]
