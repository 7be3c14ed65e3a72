"""Guards that say what was expected, what came and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterable
from difflib import get_close_matches

from torch import Tensor

from cnnlib.types import CnnlibError


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """``" (did you mean 'dice'?)"`` where an allowed word is near, else an empty string."""
    near = get_close_matches(word, list(allowed), n=1, cutoff=0.5)
    return f" (did you mean {near[0]!r}?)" if near else ""


def check_same_shape(pred: Tensor, target: Tensor, valid: Tensor | None = None) -> None:
    """Raises ``ValueError`` unless ``pred``, ``target`` and ``valid`` (if given) have one shape."""
    if pred.shape != target.shape:
        raise ValueError(
            f"prediction and target must have one shape; the prediction is {tuple(pred.shape)}, "
            f"the target {tuple(target.shape)}"
        )
    if valid is not None and valid.shape != target.shape:
        raise ValueError(
            f"the valid mask must have the target's shape {tuple(target.shape)}; it is {tuple(valid.shape)}"
        )


def check_rank(tensor: Tensor, rank: int, what: str, axes: str) -> None:
    """Raises ``ValueError`` unless ``tensor`` has ``rank`` axes, named ``axes`` in the message."""
    if tensor.ndim != rank:
        raise ValueError(f"{what} must be {axes}; it has shape {tuple(tensor.shape)}")


def check_range(
    name: str,
    value: float,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
) -> None:
    """Raises ``CnnlibError`` naming the option unless ``value`` is a finite number within the bounds that are given.

    ``least`` and ``most`` are themselves allowed; ``above`` and ``below`` are not.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    holds = number and all(
        (
            least is None or value >= least,
            above is None or value > above,
            most is None or value <= most,
            below is None or value < below,
        )
    )
    if not holds:
        bounds = {"at least": least, "above": above, "at most": most, "below": below}
        wanted = " and ".join(f"{words} {bound:g}" for words, bound in bounds.items() if bound is not None)
        raise CnnlibError(f"{name} must be {wanted}; it is {value!r}")


def check_whole(name: str, value: int, least: int) -> None:
    """Raises ``CnnlibError`` naming the option unless ``value`` is a whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise CnnlibError(f"{name} must be a whole number of at least {least}; it is {value!r}")
