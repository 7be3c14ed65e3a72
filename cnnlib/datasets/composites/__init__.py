"""Composites: cut-outs on backgrounds, put together when a sample is asked for."""

from cnnlib.datasets.composites.source import Composites

__all__ = ["Composites"]
