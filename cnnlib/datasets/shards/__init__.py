"""Tar shards, as WebDataset writes them."""

from cnnlib.datasets.shards.source import Shards

__all__ = ["Shards"]
