"""The mean of many shapes, each of K points, apart from where, how large and how turned they are."""

from __future__ import annotations

import torch
from torch import Tensor

_ROUNDS = 20  # far more than it takes


def mean_shape(shapes: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Generalized Procrustes analysis without reflections: each shape is brought onto the mean by the similarity
    transform that fits best, and the mean is taken of what comes out, again and again.

    It is turned as the shapes are on average, and the box around it has a diagonal of 1.

    Source: Gower, "Generalized Procrustes Analysis", 1975; in the plane, with points as complex numbers, the transform
    is a product and a sum.

    Args:
        shapes: x and y, (N, K, 2).
        valid: (N, K); what is not takes no part.

    Returns:
        The mean, float64 (K, 2), NaN for a point that is valid nowhere, and the factor that brings each shape to its
        size, (N,): NaN where fewer than two different points are known.
    """
    places = torch.view_as_complex(shapes.double().contiguous()).masked_fill(~valid, 0)
    mean = places[valid.sum(1).argmax()]
    known = valid[valid.sum(1).argmax()]
    for _ in range(_ROUNDS):
        factors, aligned = _fit(places, valid & known, mean)
        used = valid & factors.isfinite()[:, None]
        mean = aligned.masked_fill(~used, 0).sum(0) / used.sum(0).clamp(min=1)
        turn = (factors / factors.abs())[factors.isfinite()].mean()
        known = used.any(0)
        mean = _unit(mean / (turn / turn.abs()), known)
    factors, _ = _fit(places, valid & known, mean)
    return torch.view_as_real(mean.masked_fill(~known, complex(torch.nan, torch.nan))), factors.abs()


def _fit(places: Tensor, both: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """The complex factor of each shape, (N,), NaN where there is none, and the shapes brought onto ``mean``, (N, K)."""
    count = both.sum(1, keepdim=True)
    centre, middle = ((each * both).sum(1, keepdim=True) / count for each in (places, mean.expand_as(places)))
    own, wanted = (places - centre) * both, (mean - middle) * both
    factors = (own.conj() * wanted).sum(1) / own.abs().square().sum(1)
    return factors, factors[:, None] * (places - centre) + middle


def _unit(mean: Tensor, known: Tensor) -> Tensor:
    """Moved to the origin and scaled, so that the box around it has a diagonal of 1."""
    xy = torch.view_as_real(mean)[known]
    low, high = xy.amin(0), xy.amax(0)
    return (mean - torch.view_as_complex((low + high) / 2)) / (high - low).norm()
