"""What can be predicted from an image, and what a raw output of it means."""

from cnnlib.tasks.base import Task
from cnnlib.tasks.box import BoxTask
from cnnlib.tasks.depth import DepthTask
from cnnlib.tasks.label import LabelTask
from cnnlib.tasks.mask import MaskTask
from cnnlib.tasks.normals import NormalsTask
from cnnlib.tasks.points import PointsTask
from cnnlib.tasks.semantic import SemanticTask

TASKS: dict[str, type[Task]] = {
    "mask": MaskTask,
    "depth": DepthTask,
    "semantic": SemanticTask,
    "normals": NormalsTask,
    "points": PointsTask,
    "label": LabelTask,
    "box": BoxTask,
}
