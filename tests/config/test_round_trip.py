"""A saved configuration reads back as the one that was run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cnnlib.config import SuiteConfig, parse_suite, to_yaml
from cnnlib.config.tables import Tables, load_tables
from cnnlib.config.tasks import fitting_losses
from cnnlib.yaml_text import parse_yaml

# The tables are only read, so sharing them between examples is what is meant.
SHARED = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)

POSITIVE = st.floats(1e-9, 1e6) | st.integers(1, 9)
TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1) | st.sampled_from(
    ["1e-3", "no", "null", "~"]
)
NAMES = st.from_regex(r"\A[a-z0-9_][a-z0-9_=+-]{0,9}\Z") | st.sampled_from(
    ["1e-3", "lr=0.1,loss=bce", "null", "v1.5"]
)


def entries(name: str, **options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"name": st.just(name)}, optional=options)


def files(root: str) -> dict[str, str]:
    return {"name": "files", "root": root}


LOSSES = entries("bce", pos_weight=POSITIVE | st.none() | st.just("balanced"), weight=POSITIVE)
LOSSES |= entries("dice", smooth=POSITIVE, weight=POSITIVE) | st.sampled_from(["bce", "dice", "l1"])
NETS = entries(
    "net",
    widths=st.lists(st.integers(1, 99), max_size=4),
    copy=st.booleans(),
    norm=st.sampled_from(["group"]),
)
TASKS = st.fixed_dictionaries(
    {
        "mask": st.fixed_dictionaries(
            {}, optional={"loss": LOSSES | LOSSES.map(lambda loss: [loss]), "weight": POSITIVE}
        )
    },
    optional={"far": entries("depth", max_depth=POSITIVE, weight=POSITIVE)},
)
TRAINING = st.fixed_dictionaries(
    {"epochs": st.integers(1, 9)},
    optional={"clip_norm": st.none() | POSITIVE, "ema_decay": st.floats(0.01, 0.99)},
)
SECTIONS = {
    "dataset": entries("rooms", size=st.integers(), root=TEXT | st.none()) | TEXT.map(files),
    "augmentations": st.lists(
        entries("turn", degrees=POSITIVE, p=st.floats(0, 1)) | st.just("turn"), max_size=3
    ),
    "model": st.just("net") | NETS,
    "tasks": TASKS,
    "optimizer": entries("adam", learning_rate=POSITIVE) | st.just("adam"),
    "schedule": entries("steps", at=st.lists(st.integers(), max_size=3)) | st.just("constant"),
    "training": TRAINING,
    "weighting": entries("moving", alpha=POSITIVE) | st.just("fixed"),
    "predictions": entries("folder", count=st.none() | st.integers(0, 9)),
}
OVERRIDES = st.fixed_dictionaries({}, optional=SECTIONS)
EXPERIMENTS = st.dictionaries(NAMES, OVERRIDES, min_size=1, max_size=3).map(
    lambda found: {
        name: overrides | {"training": overrides.get("training", {}) | {"epochs": epochs}}
        for epochs, (name, overrides) in enumerate(found.items(), 1)
    }
)  # no two are the same
SEEDS = st.sampled_from([{}, {"seeds": [3, 2**32 - 1]}, {"seeds": [3, 1, 2**32 - 1], "first_seeds": 2}])
SUITES = st.tuples(
    st.fixed_dictionaries(
        SECTIONS,
        optional={
            "experiments": EXPERIMENTS,
            "margins": st.dictionaries(st.just("mask"), st.floats(1e-9, 0.99)),
            "main_task": st.sampled_from(["mask", None]),
        },
    ),
    SEEDS,
).map(lambda parts: parts[0] | parts[1])


@SHARED
@given(mapping=SUITES)
def test_a_saved_suite_reads_back_equal(tables: Tables, mapping: dict[str, Any]) -> None:
    suite = parse_suite(mapping, source="trial.yaml", tables=tables)
    assert parse_suite(parse_yaml(suite.to_yaml()), source="other.yaml", tables=tables) == suite


@SHARED
@given(mapping=SUITES, seed=st.integers(0, 2**32 - 1))
def test_a_saved_run_reads_back_equal(tables: Tables, mapping: dict[str, Any], seed: int) -> None:
    for name, experiment in parse_suite(mapping, source="trial.yaml", tables=tables).experiments.items():
        saved = parse_suite(parse_yaml(to_yaml(experiment, "s", name, seed)), tables=tables)
        assert saved == SuiteConfig(name="s", seeds=(seed,), baseline=name, experiments={name: experiment})


def test_experiments_that_differ_in_their_tasks_read_back_equal(
    parse: Callable[..., SuiteConfig], suite: dict[str, Any]
) -> None:
    suite["tasks"]["far"] = {"name": "depth"}
    suite |= {"experiments": {"alone": {"tasks.far": None}, "both": {}}, "baseline": "both"}
    saved = parse_yaml(parse(suite).to_yaml())
    assert parse(saved) == parse(suite)
    assert "tasks" not in saved
    assert "model" not in saved["experiments"]["both"]


def test_how_a_suite_is_compared_is_written_where_it_says_so(
    parse: Callable[..., SuiteConfig], suite: dict[str, Any]
) -> None:
    said = {"seeds": [0, 1, 2], "margins": {"mask": 0.02}, "main_task": "mask", "first_seeds": 2}
    saved = parse_yaml(parse(suite | said).to_yaml())
    assert {key: saved[key] for key in said} == said
    unsaid = parse_yaml(parse(suite | {"margins": {}, "main_task": None, "first_seeds": None}).to_yaml())
    assert not {"margins", "main_task", "first_seeds"} & unsaid.keys()


TRAINABLE = [
    (name, kind)
    for kind, task in load_tables()["task"].items()
    for name in fitting_losses(task, load_tables())
]


@pytest.mark.parametrize(("loss", "kind"), TRAINABLE)
def test_every_loss_of_the_library_reads_back_equal(loss: str, kind: str) -> None:
    suite = parse_suite(
        {
            "dataset": {
                "name": "folders",
                "root": ".",
                "inputs": {"image": "images"},
                "targets": {kind: "files"},
            },
            "model": "resunet_lite",
            "optimizer": "sgd",
            "training": {"epochs": 1},
            "tasks": {kind: {"loss": loss}},
        },
        source="trial",
    )
    assert suite.experiments["trial"].tasks[kind].loss[0].name == loss
    assert parse_suite(parse_yaml(suite.to_yaml())) == suite
