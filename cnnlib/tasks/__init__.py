"""What can be predicted from an image, and what a raw output of it means."""

from cnnlib.tasks.base import Task
from cnnlib.tasks.depth import DepthTask
from cnnlib.tasks.mask import MaskTask

TASKS: dict[str, type[Task]] = {
    "mask": MaskTask,
    "depth": DepthTask,
}

__all__ = ["TASKS", "DepthTask", "MaskTask", "Task"]
