"""What it costs to look at results more than once.

Who tests after every seed and stops as soon as a difference is shown finds one too often. Each look may therefore spend
only a part of the level: ``level * share**3`` in all, up to the share of the seeds that are in (a spending function of
Kim and DeMets, 1987, https://doi.org/10.1093/biomet/74.1.149). The bounds follow from the joint distribution of the
looks, by recursive integration (Armitage, McPherson and Rowe, 1969, https://doi.org/10.2307/2343787).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy import optimize
from scipy.special import ndtr

_LEVELS = np.logspace(-9, -0.01, 46)
_NODES, _NODE_WEIGHTS = np.polynomial.legendre.leggauss(80)


def price_of_looking(p: float, looks: Sequence[int], last: int) -> float:
    """The two-sided p-value ``p``, seen at the last of ``looks``, as if it came from a single look.

    It is the smallest level at which the bound of this look is ``p``.

    Args:
        looks: the numbers of seeds looked at, the one at hand last.
        last: the number of seeds with which it ends at the latest.
    """
    if list(looks) == [last]:
        return p
    bounds = bounds_of(tuple(looks), last)
    if not bounds[0] < p < bounds[-1]:
        return 0.0 if p <= bounds[0] else 1.0
    return float(np.exp(np.interp(np.log(p), np.log(bounds), np.log(_LEVELS))))


@lru_cache(maxsize=64)
def bounds_of(looks: tuple[int, ...], last: int) -> np.ndarray:
    """For each of ``_LEVELS``, the p-value that ends it at the last of ``looks``."""
    return np.array([bounds_at(level, looks, last)[-1] for level in _LEVELS])


def bounds_at(level: float, looks: Sequence[int], last: int) -> list[float]:
    """The two-sided p-value that ends it at each look.

    The sum over the seeds is a random walk, whose variance at a look is the share of the seeds that are in. What of it
    is still inside of the bounds is held as masses at the nodes of a quadrature.
    """
    bounds: list[float] = []
    places, masses, before = np.zeros(1), np.ones(1), 0.0
    for share in np.array(looks) / last:
        step = np.sqrt(share - before)

        def leaving(
            edge: float, places: np.ndarray = places, masses: np.ndarray = masses, step: float = step
        ) -> float:
            return float(masses @ (ndtr((places - edge) / step) + ndtr((-places - edge) / step)))

        spent = level * (share**3 - before**3)
        edge = optimize.brentq(lambda x, leaving=leaving, spent=spent: leaving(x) - spent, 0, 40.0)
        bounds.append(float(2 * ndtr(-edge / np.sqrt(share))))
        inside = edge * _NODES
        jumps = np.exp(-0.5 * ((inside[:, None] - places) / step) ** 2) / (step * np.sqrt(2 * np.pi))
        places, masses, before = inside, edge * _NODE_WEIGHTS * (jumps @ masses), share
    return bounds
