"""Data sets of files, decoded once."""

from cnnlib.datasets.decoded.source import Decoded

__all__ = ["Decoded"]
