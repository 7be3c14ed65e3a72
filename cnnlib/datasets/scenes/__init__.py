"""The embedded data set: procedural scenes with exact targets."""

from cnnlib.datasets.scenes.source import Scenes
