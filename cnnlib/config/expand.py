"""Overrides by key path, and one suite's experiments out of its common part.

A key path is dotted: ``training.epochs``, ``tasks.mask.loss.0.weight``. A mapping laid over a mapping is merged into
it, with two exceptions: one with a ``name`` replaces a component whole, so that no option of the old one stays behind,
and a task that is set to null is removed.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from cnnlib.config.errors import Problem, shorten, show
from cnnlib.lookup import unknown
from cnnlib.yaml_text import parse_yaml

_SUITE_FILES = ("suite.yaml", "results.csv", "summary.csv", "report.html")
_LONGEST_NAME = 200  # a file name holds 255 bytes
_DEEPEST = 50
_MOST_EXPERIMENTS = 10_000


class PathError(Exception):
    """A key path that leads nowhere: ``problem`` says why."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(path, text)
        self.problem = Problem(path, text)


def override(suite: dict[str, Any], text: str) -> dict[str, Any]:
    """``suite`` with ``key.path=value`` laid over it.

    Below ``grid`` and below an experiment's name, the rest of the path is one key, as in the file.

    Raises:
        PathError: if ``text`` is no override, or its path leads nowhere.
    """
    path, equals, value_text = text.partition("=")
    path = path.strip()
    if not equals or "" in path.split("."):
        raise PathError("", f"an override is written key.path=value; this one is {shorten(repr(text))}")
    if path.count(".") >= _DEEPEST:
        raise PathError("", f"a key path has at most {_DEEPEST} parts; this one has {path.count('.') + 1}")
    try:
        value = parse_yaml(value_text)
    except ValueError as error:
        raise PathError(path, f"its value {shorten(repr(value_text))} cannot be read: {error}") from None
    head, _, rest = path.partition(".")
    if head not in ("grid", "experiments"):
        return assign(suite, path.split("."), value)
    if rest:
        held = _mapping(suite, head)
        value = {**held, rest: value} if head == "grid" else _override_experiment(held, rest, value)
    return {**suite, head: value}


def assign(node: Any, path: Sequence[str], value: Any, at: tuple[str, ...] = ()) -> Any:
    """A copy of ``node``, which stands at key path ``at``, with ``value`` laid over what ``path`` leads to.

    Raises:
        PathError: if the path leads into a value that has no keys, or past the end of a list.
    """
    if isinstance(node, str) and (path or isinstance(value, Mapping)):
        node = {"name": node}  # a component's bare name
    if path:
        return _assign_inside(node, path[0], path[1:], value, at)
    if isinstance(node, Mapping) and isinstance(value, Mapping) and "name" not in value:
        for key, inner in value.items():
            node = assign(node, [key], inner, at)
        return node
    return value


def _assign_inside(node: Any, key: str, rest: Sequence[str], value: Any, at: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        if not (key.isdecimal() and int(key) < len(node)):
            indices = f"its indices are 0 to {len(node) - 1}" if node else "it is an empty list"
            raise PathError(".".join(at), f"has no entry {key!r}: {indices}")
        index = int(key)
        return [*node[:index], assign(node[index], rest, value, (*at, key)), *node[index + 1 :]]
    if node is not None and not isinstance(node, Mapping):
        raise PathError(".".join(at), f"is {show(node)}, and holds no {key!r}")
    node = node or {}
    if at == ("tasks",) and not rest and value is None:
        return {name: task for name, task in node.items() if name != key}
    return {**node, key: assign(node.get(key), rest, value, (*at, key))}


def variants(
    common: dict[str, Any],
    experiments: Mapping[str, Mapping[str, Any]],
    grid: Mapping[str, list[Any]],
    name: str,
) -> tuple[list[tuple[str, dict[str, Any]]], list[Problem]]:
    """Every experiment of a suite by name, the named ones times the grid's points; and what leads nowhere.

    Where that would be more experiments than anybody can run, it is a problem, and none is expanded.

    Args:
        common: the sections that all experiments share.
        experiments: ``{name: {key path: value}}``; empty where the suite names none.
        grid: ``{key path: [values]}``; empty where the suite has none.
        name: of the one experiment of a suite with neither.
    """
    found: list[tuple[str, dict[str, Any]]] = []
    problems: list[Problem] = []
    points = math.prod(map(len, grid.values()))
    count = max(1, len(experiments)) * points
    if count > _MOST_EXPERIMENTS:
        text = f"a suite has at most {_MOST_EXPERIMENTS:,} experiments; these would be {count:,}"
        product_of = f" ({points:,} points of the grid)" if grid else ""
        problems.append(Problem("grid" if grid else "experiments", text + product_of))
        experiments, grid = {}, {}
    points = list(_points(grid)) if grid else [(None, [])]
    for (experiment, overrides), (point, values) in product(experiments.items() or [(None, {})], points):
        parts = [part for part in (experiment, point) if part is not None]
        title = ",".join(parts) if parts else name
        config = common
        for path, value in [*overrides.items(), *values]:
            try:
                config = assign(config, path.split("."), value)
            except PathError as error:
                problems.append(error.problem.of(f"experiment {title!r}"))
        found.append((title, config))
    return found, problems


def folder_name(name: str) -> str:
    """``name``, if a folder can be called so. Raises ``ValueError`` if not."""
    if not re.fullmatch(r"\w[\w.,=+-]*", name) or ".." in name or len(name.encode()) > _LONGEST_NAME:
        raise ValueError(
            f"must be fit for a folder: letters, digits and _ . , = + - only, the first a letter, digit or _, "
            f"no '..', at most {_LONGEST_NAME} bytes; it is {name[: 2 * _LONGEST_NAME]!r}"
        )
    return name


def folder_problems(names: Sequence[str]) -> Iterator[Problem]:
    """Names that no folder can have, or that are another's or a file's of the suite; some file systems take A for a."""
    lowered = Counter(name.casefold() for name in names)
    clashing = sorted({name for name in names if lowered[name.casefold()] > 1})
    if clashing:
        listed = ", ".join(map(repr, clashing))
        yield Problem(
            "", f"several experiments would share one folder: {listed}; name them under experiments"
        )
    for name in dict.fromkeys(names):
        if name.casefold() in _SUITE_FILES:
            yield Problem("", f"an experiment cannot be called {name!r}: the suite has a file of that name")
        try:
            folder_name(name)
        except ValueError as error:
            yield Problem(f"experiments.{name}", str(error))


def _points(grid: Mapping[str, Any]) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """Each point of the grid: its name, and what it sets. The last key varies fastest."""
    labels = [_short_label(path, [other for other in grid if other != path]) for path in grid]
    for values in product(*grid.values()):
        texts = [f"{label}={_value_name(value)}" for label, value in zip(labels, values, strict=True)]
        yield ",".join(texts), list(zip(grid, values, strict=True))


def _short_label(path: str, others: Sequence[str]) -> str:
    """The fewest last parts of a key path that distinguish it from the others."""
    label, rest = "", path.split(".")
    while rest and (not label or any(f".{other}".endswith(f".{label}") for other in others)):
        label = f"{rest.pop()}.{label}".rstrip(".")
    return label


def _value_name(value: Any) -> str:
    """A value in a folder's name: ``0.1``, ``bce``, ``bce+dice-weight-0.5``."""
    if isinstance(value, Mapping):
        rest = [f"{key}-{_value_name(inner)}" for key, inner in value.items() if key != "name"]
        return "-".join([*([_value_name(value["name"])] if "name" in value else []), *rest]) or "none"
    if isinstance(value, list):
        return "+".join(_value_name(entry) for entry in value) or "none"
    return re.sub(r"[^\w.+-]|(?<=\.)\.", "_", value if isinstance(value, str) else show(value))


def _override_experiment(experiments: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    name = max((name for name in experiments if f"{path}.".startswith(f"{name}.")), key=len, default=None)
    if name is None:
        raise PathError(f"experiments.{path}", unknown("experiment", path.partition(".")[0], experiments))
    key = path[len(name) + 1 :]
    if not key:
        return {**experiments, name: value}
    earlier = {old: kept for old, kept in _mapping(experiments, name).items() if old != key}
    return {**experiments, name: {**earlier, key: value}}  # last, so that it is laid over the others


def _mapping(parent: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = parent.get(key, {})
    if not isinstance(value, dict):
        raise PathError(key, f"is {show(value)}, and holds no keys")
    return value
