"""Drawn feet, seen from behind: the embedded data set of three classes."""

from cnnlib.datasets.feet.source import Feet
