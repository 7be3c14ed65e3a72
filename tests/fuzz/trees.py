"""Values of JSON and YAML files: where they are, and changes of them."""

from __future__ import annotations

import copy
import random
from collections.abc import Sequence
from typing import Any, TypeAlias

from tests.fuzz.hostile_values import VALUES

Place: TypeAlias = tuple[str | int, ...]


def places(tree: Any, at: Place = ()) -> list[Place]:
    """Of all values, from the root."""
    keys = tree.keys() if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    return [at, *(place for key in keys for place in places(tree[key], (*at, key)))]


def at(tree: Any, place: Place) -> Any:
    for key in place:
        tree = tree[key]
    return tree


def placed(tree: Any, place: Place, value: Any) -> Any:
    """``tree`` with ``value`` there."""
    if not place:
        return value
    at(tree, place[:-1])[place[-1]] = value
    return tree


def changed(tree: Any, rng: random.Random, values: Sequence[Any] = VALUES) -> Any:
    """``tree`` with one value, at any depth, replaced, removed, repeated, wrapped, or under another key."""
    found = places(tree)
    depth = rng.randint(0, max(map(len, found)))
    place = rng.choice([each for each in found if len(each) == depth])
    kind = rng.choice(["replace", "replace", "remove", "repeat", "wrap", "rename"])
    if kind == "replace":
        return placed(tree, place, copy.deepcopy(rng.choice(values)))
    if kind == "wrap":
        return placed(tree, place, [at(tree, place)] * rng.randint(1, 3))
    if not place:
        return None
    holder, key = at(tree, place[:-1]), place[-1]
    if kind == "repeat" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[key]))
        return tree
    value = holder.pop(key)
    if kind != "remove" and isinstance(holder, dict):
        holder[rng.choice([each for each in values if isinstance(each, str)])] = value
    return tree
