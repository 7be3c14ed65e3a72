"""Whatever a file holds, it is read or refused with a ``ConfigError``; nothing else escapes."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cnnlib.config import ConfigError, SuiteConfig, parse_suite
from cnnlib.config.tables import Tables

SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
WORDS = st.sampled_from(
    ["net", "bce", "mask", "name", "loss", "weight", "tasks.mask", "epochs", "", ".", "0", "a.b.c"]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(WORDS, v, max_size=3), max_leaves=8
)
WHOLE = {
    "name": "trial",
    "seeds": [0, 1, 2],
    "baseline": "a,epochs=1",
    "margins": {"mask": 0.02},
    "main_task": "mask",
    "first_seeds": 2,
    "dataset": {"name": "rooms", "size": 3},
    "augmentations": [{"name": "turn", "p": 0.5}],
    "model": {"name": "net", "widths": [3]},
    "tasks": {"mask": {"loss": [{"name": "bce", "weight": 0.5}], "weight": 1}},
    "optimizer": {"name": "sgd", "learning_rate": 0.1},
    "schedule": "constant",
    "training": {"epochs": 3, "clip_norm": 1.0},
    "predictions": {"name": "folder", "count": 3},
    "experiments": {"a": {"tasks.mask.loss": "dice"}, "b": {}},
    "grid": {"training.epochs": [1, 2]},
}


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    keys = node.keys() if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    return [path, *(place for key in keys for place in places(node[key], (*path, key)))]


def replaced(node: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = dict(node) if isinstance(node, dict) else list(node)
    changed[path[0]] = replaced(node[path[0]], path[1:], value)
    return changed


def outcome(mapping: Any, overrides: list[str], tables: Tables) -> SuiteConfig | None:
    try:
        return parse_suite(mapping, overrides, "trial.yaml", tables)
    except ConfigError as error:
        problems, text = error.problems, str(error)
    assert problems
    assert text.count("\n") == len(problems)  # a line a problem
    return None


def test_the_whole_suite_is_sound(tables: Tables) -> None:
    config = outcome(WHOLE, [], tables)
    assert isinstance(config, SuiteConfig)
    assert len(config.experiments) == 4


@SHARED
@given(place=st.sampled_from(places(WHOLE)), value=VALUES)
@example(place=("name",), value="\ud800")
@example(place=("main_task",), value="\ud800")
@example(place=("tasks",), value="\ud800")
@example(place=("model",), value=["\ud800"])
@example(place=("margins",), value={"\ud800": 0.1, "a.b": 0.1, "": 0.1})
@example(place=("seeds",), value=["a"])
@example(place=("tasks", "mask"), value={"name": "depth", "loss": {"name": "depth\n"}})
def test_any_value_at_any_place(tables: Tables, place: tuple[Any, ...], value: Any) -> None:
    outcome(replaced(WHOLE, place, value), [], tables)


@SHARED
@given(place=st.sampled_from(places(WHOLE)[1:]), rest=WORDS, value=st.text(max_size=9) | WORDS)
def test_any_override(tables: Tables, place: tuple[Any, ...], rest: str, value: str) -> None:
    path = ".".join(map(str, [*place, *([rest] if rest else [])]))
    outcome(WHOLE, [f"{path}={value}"], tables)


@SHARED
@given(experiments=VALUES, grid=VALUES)
def test_any_experiments_and_grid(tables: Tables, experiments: Any, grid: Any) -> None:
    outcome({**WHOLE, "experiments": experiments, "grid": grid}, [], tables)
