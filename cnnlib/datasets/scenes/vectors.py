"""Arithmetic on vectors (3, M), one component a row."""

from __future__ import annotations

import numpy as np


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(M,); written out, as NumPy's sum over a short first axis takes several times as long."""
    total = a[0] * b[0]
    total += a[1] * b[1]
    total += a[2] * b[2]
    return total


def weighted(weights: np.ndarray | tuple[float, ...], vectors: np.ndarray) -> np.ndarray:
    """``dot`` with one fixed vector (3,), often along an axis: components of weight 0 cost nothing. (M,)."""
    total = None
    for weight, component in zip(weights, vectors, strict=True):
        if weight == 0:
            continue
        term = component if weight == 1 else np.float32(weight) * component
        total = term if total is None else total + term
    return total if total is not None else np.zeros_like(vectors[0])


def rotated(rows: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """``rows @ vectors`` for a matrix (3, 3) and vectors (3, M)."""
    return rows.astype(np.float32) @ vectors


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (3, M), none of them 0, scaled to length 1."""
    return vectors * (1 / np.sqrt(dot(vectors, vectors)))


def pick(vectors: np.ndarray, index: np.ndarray) -> np.ndarray:
    """``vectors[:, index]``, at a tenth of its time."""
    return np.take(vectors, index, axis=1)


def put(vectors: np.ndarray, index: np.ndarray, values: np.ndarray) -> None:
    """``vectors[:, index] = values``, at half of its time; ``values`` is (3, K)."""
    for row, value in zip(vectors, values, strict=True):
        row[index] = value


def column(vector: np.ndarray) -> np.ndarray:
    """A vector (3,) as float32 (3, 1)."""
    return vector.astype(np.float32)[:, None]
