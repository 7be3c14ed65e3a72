"""The embedded data set of faces."""

from cnnlib.datasets.faces.source import Faces
