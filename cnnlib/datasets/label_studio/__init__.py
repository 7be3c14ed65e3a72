"""Classes of pictures, from exports of Label Studio."""

from cnnlib.datasets.label_studio.source import LabelStudio

__all__ = ["LabelStudio"]
