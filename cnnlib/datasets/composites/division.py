"""Which composites are for training, validation and test."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from cnnlib.datasets.composites.recipe import Recipes
from cnnlib.datasets.splits import split_indices, tiny_subset
from cnnlib.types import CnnlibError, Split

Kind: TypeAlias = Literal["background", "foreground"]
_MOST_COMPOSITES = 50_000_000  # whose indices take 800 MB


class UsedPictures(NamedTuple):
    """By number, of each of N composites; int32 (N,)."""

    foreground: np.ndarray
    background: np.ndarray


def used_pictures(recipes: Recipes) -> UsedPictures:
    """Those of all composites.

    Raises:
        CnnlibError: there are more than can be counted in memory.
    """
    shape = (len(recipes.shapes), 2 if recipes.flips else 1, recipes.backgrounds, recipes.positions)
    if (count := math.prod(shape)) > _MOST_COMPOSITES:
        raise CnnlibError(
            f"positions: {recipes.positions:,} of each foreground on each background are {count:,} composites; at most "
            f"{_MOST_COMPOSITES:,} are possible"
        )
    foreground, _, background, _ = np.indices(shape, dtype=np.int32, sparse=True)
    return UsedPictures(*(np.broadcast_to(each, shape).reshape(-1) for each in (foreground, background)))


def divide(
    used: UsedPictures,
    names: tuple[Sequence[str], Sequence[str]],
    apart: Collection[Kind],
    val: float,
    test: float,
    counts: Mapping[Split, int | None],
    seed: int,
) -> dict[Split, np.ndarray]:
    """The indices of each split's composites.

    Args:
        names: of foregrounds and of backgrounds.
        apart: what is in no two splits.
        val, test: their shares of what is kept apart, or else of the composites.
        counts: so many of a split are drawn; ``None``: all are taken.

    Raises:
        CnnlibError: there are too few pictures for three splits.
    """
    whole = np.arange(len(used.foreground))
    if not apart:
        parts = split_indices(len(whole), val, test, seed)
    else:
        chosen = {part: np.ones(len(whole), dtype=bool) for part in get_args(Split)}
        for kind, numbers, own_names in zip(used._fields, used, names, strict=True):
            if kind in apart:
                try:
                    own = split_indices(len(own_names), val, test, seed)
                except CnnlibError as error:
                    raise CnnlibError(f"{kind}s: {error}; or leave {kind} out of apart") from None
                for part in chosen:
                    chosen[part] &= np.isin(numbers, own[part])
        parts = {part: whole[those] for part, those in chosen.items()}
    return {
        part: own if counts[part] is None else own[tiny_subset(len(own), counts[part], seed)]
        for part, own in parts.items()
    }
