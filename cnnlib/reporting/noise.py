"""How far an estimate may be from the truth: Student's t whose variance is itself known only in part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import optimize, special


@dataclass(frozen=True)
class Noise:
    """The error of an estimate.

    Its variance is one of ``variances``, with the probabilities ``weights``, plus the estimates ``parts``, each with
    its degrees of freedom; those of their sum are Satterthwaite's. A part may be negative, which takes out of the
    others what they count twice.
    """

    variances: np.ndarray = field(default_factory=lambda: np.zeros(1))
    weights: np.ndarray = field(default_factory=lambda: np.ones(1))
    parts: tuple[tuple[float, float], ...] = ()

    def plus(self, parts: Sequence[tuple[float, float]]) -> Noise:
        return Noise(self.variances, self.weights, (*self.parts, *parts))

    def beyond(self, x: float) -> float:
        """The chance of an error above ``x``, which may be negative."""
        variance = self.variances + sum(value for value, _ in self.parts)
        error = np.sqrt(np.maximum(variance, np.finfo(float).tiny))
        uncertain = sum(value**2 / degrees for value, degrees in self.parts)
        with np.errstate(divide="ignore", over="ignore"):
            # Of nearly equal parts, one of them negative, Satterthwaite's may be next to none.
            degrees = np.clip(variance**2 / uncertain, 1, 1e8) if uncertain > 0 else 1e8
            return float(self.weights @ special.stdtr(degrees, -x / error))

    def margin(self, level: float) -> float:
        """What the error's size stays below with probability ``1 - level``."""
        low, high = np.log(np.finfo(float).tiny) / 2, np.log(np.finfo(float).max) / 4
        return float(np.exp(optimize.brentq(lambda x: self.beyond(np.exp(x)) - level / 2, low, high)))

    @property
    def typical_variance(self) -> float:
        """The geometric mean over ``variances``, ``parts`` left out."""
        return float(np.exp(self.weights @ np.log(np.maximum(self.variances, np.finfo(float).tiny))))
