"""The vertical axis of a line chart."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.ticker import LogLocator, MaxNLocator


@dataclass(frozen=True)
class Axis:
    """From values to positions: 0 at its lower end, 1 at its upper."""

    low: float
    high: float
    logarithmic: bool
    ticks: tuple[float, ...]

    @classmethod
    def linear(cls, low: float, high: float) -> Axis:
        return cls(low, high, False, _within(MaxNLocator(5).tick_values(low, high), low, high))

    @classmethod
    def log(cls, low: float, high: float) -> Axis:
        """``low`` above 0. A small margin is added at both ends."""
        steps = (1, 2, 5) if high < 1000 * low else (1,)  # else the numbers would touch each other
        return cls(
            low / 1.1, high * 1.1, True, _within(LogLocator(subs=steps).tick_values(low, high), low, high)
        )

    def position(self, value: float) -> float:
        if self.logarithmic:
            return math.log(max(value, 1e-300) / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def _within(ticks: object, low: float, high: float) -> tuple[float, ...]:
    return tuple(float(tick) for tick in ticks if low <= tick <= high)
