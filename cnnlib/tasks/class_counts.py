"""What a split shows of its classes: which is taken for which, how well each is found, what probabilities are worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import reduce
from typing import Annotated, Any

import numpy as np
import torch
from pydantic import BeforeValidator, TypeAdapter, ValidationError
from torch import Tensor

from cnnlib.metrics.base import ClassSums
from cnnlib.metrics.calibration import BINS, calibration_error
from cnnlib.types import CnnlibError

_Number = Annotated[float, BeforeValidator(lambda value: math.nan if value is None else value)]
"""JSON has no NaN."""


@dataclass(frozen=True)
class ClassCounts:
    """Counts, which add up over splits, and what follows from them.

    Attributes:
        unit: what is counted: ``images``, ``pixels``.
        names: of the n classes.
        scores: those of ``score`` that mean something for this kind of task, in order.
        both, found, truth: how often each class is both found and true, found, and true.
        pairs: how often class i is taken for j, [i][j]; empty where several classes may be true at once.
        bins: ``reliability_bins`` of each class, or one of the predicted class; empty where they are not known.
    """

    unit: str
    names: tuple[str, ...]
    scores: tuple[str, ...]
    both: tuple[int, ...]
    found: tuple[int, ...]
    truth: tuple[int, ...]
    pairs: tuple[tuple[int, ...], ...] = ()
    bins: tuple[tuple[tuple[_Number, _Number, _Number], ...], ...] = ()

    def __post_init__(self) -> None:
        n = len(self.names)
        shapes = {key: np.shape(getattr(self, key)) for key in ("both", "found", "truth", "pairs", "bins")}
        expected = {key: {(n,)} for key in ("both", "found", "truth")}
        expected |= {"pairs": {(n, n), (0,)}, "bins": {(n, BINS, 3), (1, BINS, 3), (0,)}}
        if wrong := [key for key, shape in shapes.items() if shape not in expected[key]]:
            raise ValueError(f"{wrong[0]} of {n} classes cannot have the shape {shapes[wrong[0]]}")

    @classmethod
    def of(
        cls,
        unit: str,
        names: Sequence[str],
        scores: Sequence[str],
        sums: ClassSums,
        pairs: Tensor | None = None,
        bins: Tensor | None = None,
    ) -> ClassCounts:
        """From what metrics count, on any device."""
        both, found, truth = (_tuples(each.long()) for each in sums)
        matrix, reliability = (() if each is None else _tuples(each) for each in (pairs, bins))
        return cls(unit, tuple(names), tuple(scores), both, found, truth, matrix, reliability)

    def __add__(self, other: ClassCounts) -> ClassCounts:
        """Raises ``CnnlibError`` where the classes are others."""
        if (self.names, self.unit) != (other.names, other.unit):
            raise CnnlibError(
                f"counts of the classes {', '.join(self.names)} cannot be added to those of {', '.join(other.names)}"
            )
        counts = {
            key: _tuples(np.add(getattr(self, key), getattr(other, key)))
            for key in ("both", "found", "truth", "pairs", "bins")
        }
        return ClassCounts(self.unit, self.names, self.scores, **counts)

    def score(self, name: str) -> np.ndarray:
        """``precision``, ``recall``, ``f1``, ``iou`` or ``ece`` of each class, float64 (n,); NaN where undefined."""
        both, found, truth = (np.array(each, dtype=float) for each in (self.both, self.found, self.truth))
        if name == "ece":
            return self.calibration_errors
        below = {"precision": found, "recall": truth, "f1": (found + truth) / 2, "iou": found + truth - both}[
            name
        ]
        return np.divide(both, below, out=np.full(len(both), np.nan), where=below > 0)

    def mean(self, name: str) -> float:
        """Of ``score`` over the classes that define it; NaN where none does."""
        return _mean(self.score(name))

    @property
    def calibration_errors(self) -> np.ndarray:
        """Of each of ``bins``."""
        return calibration_error(torch.tensor(self.bins, dtype=torch.float64)).numpy()

    @property
    def calibration_error(self) -> float:
        """Mean over the classes that define it."""
        return _mean(self.calibration_errors)

    @property
    def reliability(self) -> np.ndarray:
        """Of all classes together, (15, 3): the number of predictions in each bin, their mean confidence, and the share
        that is right; NaN in an empty bin.
        """
        number, confidence, right = np.sum(self.bins, axis=0).T
        shares = np.stack([confidence, right])
        return np.vstack(
            [number, np.divide(shares, number, out=np.full_like(shares, np.nan), where=number > 0)]
        ).T

    @property
    def row_shares(self) -> np.ndarray:
        """``pairs`` divided by the sum of their row, (n, n); NaN in an empty row."""
        pairs = np.array(self.pairs, dtype=float)
        whole = pairs.sum(1, keepdims=True)
        return np.divide(pairs, whole, out=np.full_like(pairs, np.nan), where=whole > 0)


_JSON = TypeAdapter(dict[str, ClassCounts])


def counts_to_json(counts: Mapping[str, ClassCounts]) -> dict[str, dict[str, Any]]:
    """By task, as a run's ``result.json`` keeps them."""
    return {key: asdict(one) for key, one in counts.items()}


def counts_from_json(stored: Any, path: object) -> dict[str, ClassCounts]:
    """The inverse; raises ``CnnlibError``, naming ``path``, where it is damaged."""
    try:
        return _JSON.validate_python(stored)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"])) or "all"
        raise CnnlibError(f"{path}: damaged (by_class.{place}); delete it to run this again") from None


def total(counts: Sequence[ClassCounts]) -> ClassCounts:
    """Of one or more splits."""
    return reduce(ClassCounts.__add__, counts)


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def _tuples(values: Tensor | np.ndarray) -> tuple[Any, ...]:
    """Numbers in nested tuples."""
    return tuple(_tuples(each) for each in values) if values.ndim > 1 else tuple(values.tolist())
