"""The page's templates, and how they show a number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cnnlib.reporting.words import effect_words, plan_words, step_effect_words, verdict_words


def number(value: float | None) -> str:
    """Four decimals, fewer for large values; n/a for what is undefined."""
    if value is None or not math.isfinite(value):
        return "n/a"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


def compact(count: int) -> str:
    """At most five letters: 9,999, 12.3k, 4.56M."""
    if count < 10_000:
        return f"{count:,}"
    letter, unit = next(
        (letter, unit) for letter, unit in (("k", 1e3), ("M", 1e6), ("G", 1e9)) if count < 999.5 * unit
    )
    return f"{count / unit:.3g}{letter}"


def percent(share: float) -> str:
    """Without decimals; neither 0 nor 100 where it is not exactly that."""
    return "<1 %" if 0 < share < 0.005 else ">99 %" if 0.995 <= share < 1 else f"{100 * share:.0f} %"


def signed_percent(share: float) -> str:
    """With its sign and a decimal; n/a for what is undefined."""
    return f"{100 * share:+.1f} %".replace("-0.0", "0.0") if math.isfinite(share) else "n/a"


def sum_of(counts: Mapping[str, int]) -> int:
    """Of all values of a mapping."""
    return sum(counts.values())


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters |= {
    "number": number,
    "compact": compact,
    "percent": percent,
    "signed_percent": signed_percent,
    "sum_of": sum_of,
}
TEMPLATES.globals |= {
    "effect_words": effect_words,
    "plan_words": plan_words,
    "step_effect_words": step_effect_words,
    "verdict_words": verdict_words,
}
