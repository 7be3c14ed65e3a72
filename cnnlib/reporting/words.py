"""Comparisons in words; no other place makes them."""

from __future__ import annotations

import math

from cnnlib.reporting.comparison import Comparison, Verdict

_TIMES = 1.5  # a ratio above it, or below its inverse, is written as a factor, others in percent
_FAR = 1000  # farther than any ratio that means something


def verdict_words(one: Comparison) -> str:
    """``better``, ``equal within 0.01``, ``worse, by less than 5 %``, ..."""
    words = one.verdict.value
    if one.verdict is Verdict.EQUAL:
        words = f"equal within {margin_words(one)}"
    elif one.verdict in (Verdict.BETTER, Verdict.WORSE) and one.small:
        words += f", by less than {margin_words(one)}"
    shown = one.verdict in (Verdict.BETTER, Verdict.WORSE, Verdict.EQUAL)
    return words + (" (this training run only)" if one.one_run and shown else "")


def margin_words(one: Comparison) -> str:
    return f"{100 * one.margin:.4g} %" if one.ratio or one.in_percent else f"{one.margin:.4g}"


def effect_words(one: Comparison, baseline: str = "") -> str:
    """``5.4 times l1's error (1.6 to 18)``, ``11 % less error than l1 (-17 % to -5 %)``, ``0.004 above bce (...)``.

    Without the baseline's name it is left out, as below a heading that has it.
    """
    if one.difference is None:
        return one.reason
    value, low, high = one.effect
    if one.in_percent:
        return f"{_percent(value, '+')} ({_percent(low, '+')} to {_percent(high, '+')})"
    if not one.ratio:
        return f"{change_words(value, baseline)} ({low:+.4f} to {high:+.4f})"
    if 1 / _TIMES < value < _TIMES:
        than = f" than {baseline}" if baseline else ""
        side = "more" if value >= 1 else "less"
        interval = f"{_percent(low - 1, '+')} to {_percent(high - 1, '+')}"
        return f"{_percent(abs(value - 1))} {side} error{than} ({interval})"
    whose = f"{baseline}'s" if baseline else "the"
    return f"{_two_digits(value)} times {whose} error ({_two_digits(low)} to {_two_digits(high)})"


def change_words(value: float, baseline: str = "") -> str:
    """A difference without any test: ``0.0040 above bce``, or ``0.0040 higher``."""
    side = ("above", "higher") if value >= 0 else ("below", "lower")
    return f"{abs(value):.4f} {f'{side[0]} {baseline}' if baseline else side[1]}"


def step_words(one: Comparison | None, change: float, baseline: str) -> str:
    """``better: 0.3130 above v4 (+0.2911 to +0.3350)``; where nothing was tested, ``step_effect_words``."""
    verdict = f"{verdict_words(one)}: " if one and one.difference else ""
    return verdict + step_effect_words(one, change, baseline)


def step_effect_words(one: Comparison | None, change: float, baseline: str) -> str:
    """``effect_words``, or, where nothing was tested, the difference of the means.

    Args:
        change: that difference; NaN where there is none.
    """
    if one and one.difference:
        return effect_words(one, baseline)
    return change_words(change, baseline) if math.isfinite(change) else ""


def plan_words(one: Comparison) -> str:
    """What would decide it: ``about 4 more seeds, 12 min``; empty where that is no question."""
    if one.verdict is not Verdict.UNDECIDED:
        return ""
    if one.one_run:
        return "needs several seeds"
    if one.more_seeds is None:
        return "a hundred seeds would not decide it"
    plural = "" if one.more_seeds == 1 else "s"
    return f"about {one.more_seeds} more seed{plural}, {duration(one.more_seeds * one.seconds)}"


def duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02d} min"


def _percent(share: float, sign: str = "") -> str:
    if share >= _FAR:
        return f"over {100 * _FAR} %"
    digits = 0 if abs(share) >= 0.0995 else 1
    return f"{100 * share:{sign}.{digits}f} %"


def _two_digits(value: float) -> str:
    if value >= _FAR or value <= 1 / _FAR:
        return f"over {_FAR}" if value > 1 else f"under 1/{_FAR}"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"
