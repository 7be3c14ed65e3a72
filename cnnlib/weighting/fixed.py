"""The weights of the configuration."""

from __future__ import annotations

from cnnlib.weighting.base import Weighting


class Fixed(Weighting):
    """The tasks' weights of the configuration, in every step; one backward pass."""

    constant = True
