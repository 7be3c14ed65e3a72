"""The page's templates, and how they show a number."""

from __future__ import annotations

import math
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from cnnlib.reporting.words import effect_words, plan_words, step_effect_words, verdict_words


def number(value: float | None) -> str:
    """Four decimals, fewer for large values; n/a for what is undefined."""
    if value is None or not math.isfinite(value):
        return "n/a"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"


TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["number"] = number
TEMPLATES.globals |= {
    "effect_words": effect_words,
    "plan_words": plan_words,
    "step_effect_words": step_effect_words,
    "verdict_words": verdict_words,
}
