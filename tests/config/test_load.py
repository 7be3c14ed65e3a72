from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.config import (
    Component,
    ConfigError,
    SuiteConfig,
    build,
    load_suite,
    parse_suite,
    to_yaml,
    until_decided,
)
from cnnlib.config.schema import DatasetConfig
from cnnlib.config.tables import REGISTRIES, Tables
from cnnlib.types import CnnlibError, Head
from cnnlib.yaml_text import parse_yaml

NAME_OF_A_LOSS = "must be the name of a loss (bce, dice, l1, cross_entropy), or a mapping with one under name"
Parse = Callable[..., SuiteConfig]


def problems_of(parse: Parse, suite: Any, *overrides: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(suite, *overrides)
    return [str(problem) for problem in caught.value.problems]


def put(mapping: Any, path: list[str], value: Any) -> Any:
    key, *rest = path
    return {**mapping, key: put(mapping.get(key, {}), rest, value) if rest else value}


# ---------------------------------------------------------------- what is read


def test_the_least_suite_gets_every_default(parse: Parse, suite: dict[str, Any]) -> None:
    config = parse(suite)
    assert (config.name, config.seeds, config.baseline) == ("trial", (0,), "trial")
    assert (config.margins, config.main_task, config.first_seeds) == ({}, None, None)
    experiment = config.experiments["trial"]
    assert experiment.dataset == DatasetConfig(name="rooms", options={"size": 32, "root": None})
    assert experiment.augmentations == ()
    assert experiment.flat()["tasks"] == {
        "mask": {
            "name": "mask",
            "loss": [{"name": "bce", "pos_weight": None, "weight": 1.0, "on": None}],
            "weight": 1.0,
        }
    }
    assert experiment.schedule == Component(name="constant")
    assert experiment.training.model_dump() == {
        "epochs": 3,
        "batch_size": 16,
        "workers": 2,
        "precision": "auto",
        "clip_norm": None,
        "accumulate": 1,
        "ema_decay": None,
        "patience": None,
        "overfit_batches": None,
    }
    assert experiment.predictions == Component(name="folder", options={"count": None})


def test_everything_can_be_said(parse: Parse) -> None:
    config = parse(
        {
            "name": "all",
            "seeds": [3, 1, 4],
            "margins": {"far": 0.1, "mask": 0.02},
            "main_task": "mask",
            "first_seeds": 2,
            "dataset": {"name": "files", "root": "some/where"},
            "augmentations": ["turn", {"name": "turn", "p": 1}],
            "model": {"name": "net", "widths": [4], "norm": "group"},
            "tasks": {
                "far": {"name": "depth", "max_depth": 3, "weight": 0.5},
                "mask": {"loss": ["bce", {"name": "dice", "smooth": 0, "weight": 2}]},
            },
            "optimizer": "adam",
            "schedule": {"name": "steps", "at": [1, 2]},
            "training": {
                "epochs": 1,
                "clip_norm": 1,
                "ema_decay": 0.9,
                "patience": 2,
                "precision": "32-true",
            },
            "predictions": {"name": "folder", "count": 3},
            "experiments": {"a": {}, "b": {"training": {"epochs": 2}, "optimizer.learning_rate": 1}},
            "baseline": "b",
        }
    )
    assert (config.name, config.seeds, config.baseline, list(config.experiments)) == (
        "all",
        (3, 1, 4),
        "b",
        ["a", "b"],
    )
    assert (config.margins, config.main_task, config.first_seeds) == ({"far": 0.1, "mask": 0.02}, "mask", 2)
    a, b = config.experiments.values()
    assert a.dataset.options == {"root": Path("some/where")}
    assert [turn.options["p"] for turn in a.augmentations] == [0.5, 1.0]
    assert a.flat()["tasks"]["far"] == {
        "name": "depth",
        "min_depth": 0.0,
        "max_depth": 3.0,
        "loss": [{"name": "l1", "weight": 1.0, "on": None}],
        "weight": 0.5,
    }
    assert [(term.name, term.options, term.weight) for term in a.tasks["mask"].loss] == [
        ("bce", {"pos_weight": None}, 1.0),
        ("dice", {"smooth": 0.0}, 2.0),
    ]
    assert b.training == a.training.model_copy(update={"epochs": 2})
    assert b.optimizer.options == {"learning_rate": 1.0}
    assert a.optimizer.options == {"learning_rate": 0.001}


def test_an_experiment_may_leave_a_task_out(parse: Parse, suite: dict[str, Any]) -> None:
    suite["tasks"]["far"] = {"name": "depth"}
    suite["experiments"] = {"both": {}, "alone": {"tasks.far": None}}
    assert [list(each.tasks) for each in parse(suite).experiments.values()] == [["mask", "far"], ["mask"]]


def test_what_only_the_experiments_bring_is_not_missed_in_the_common_part(
    parse: Parse, suite: dict[str, Any]
) -> None:
    del suite["optimizer"]
    suite["grid"] = {"optimizer": ["adam", {"name": "sgd", "learning_rate": 0.5}]}
    assert list(parse(suite).experiments) == ["optimizer=adam", "optimizer=sgd-learning_rate-0.5"]


def test_later_overrides_win(parse: Parse, suite: dict[str, Any]) -> None:
    config = parse(suite, "training.epochs=4", "name=quick", "training.epochs=5", "seeds=[1, 2]")
    assert (config.name, config.seeds) == ("quick", (1, 2))
    assert config.experiments["quick"].training.epochs == 5


def test_a_loss_of_weight_zero_is_only_logged(parse: Parse, suite: dict[str, Any]) -> None:
    suite["tasks"]["mask"]["loss"] = ["bce", {"name": "dice", "weight": 0}]
    assert [term.weight for term in parse(suite).experiments["trial"].tasks["mask"].loss] == [1.0, 0.0]


def test_a_suite_can_be_sent_to_another_process(parse: Parse, suite: dict[str, Any]) -> None:
    config = parse(suite)
    assert pickle.loads(pickle.dumps(config)) == config


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("path", "value", "problems"),
    [
        (
            "tasks.mask.loss",
            "dise",
            ["tasks.mask.loss: no loss is named 'dise' (did you mean 'dice'?); allowed: bce, dice, l1,"],
        ),
        ("tasks.mask.loss", {"name": "dise"}, ["tasks.mask.loss: no loss is named 'dise'"]),
        (
            "tasks.mask.loss",
            [{"name": "bce", "weight": -1}],
            ["tasks.mask.loss.0.weight: must be at least 0; it is -1"],
        ),
        (
            "tasks.mask.loss",
            {"name": "bce", "weigth": 1},
            [
                "tasks.mask.loss.weigth: there is no such option (did you mean 'weight'?); allowed: pos_weight, "
            ],
        ),
        (
            "tasks.mask.loss",
            {"weight": 1},
            [f'tasks.mask.loss: {NAME_OF_A_LOSS}; it is {{"weight": 1}}'],
        ),
        (
            "tasks.mask.loss",
            {"name": 3},
            [f'tasks.mask.loss: {NAME_OF_A_LOSS}; it is {{"name": 3}}'],
        ),
        (
            "tasks.mask.loss",
            3,
            [f"tasks.mask.loss: {NAME_OF_A_LOSS}; it is 3"],
        ),
        (
            "tasks.mask.loss",
            None,
            [f"tasks.mask.loss: {NAME_OF_A_LOSS}; it is null"],
        ),
        ("tasks.mask.loss", [], ["tasks.mask.loss: must be a list of at least 1; it is []"]),
        (
            "tasks.mask.loss",
            ["bce", "bce"],
            ["tasks.mask.loss: must differ from each other; they are bce, bce"],
        ),
        ("tasks.mask.weight", -0.5, ["tasks.mask.weight: must be at least 0; it is -0.5"]),
        ("tasks.mask.weight", 0, ["tasks: nothing would be trained: every weight is 0"]),
        ("tasks.mask.weight", float("nan"), ["tasks.mask.weight: must be a finite number"]),
        ("tasks.mask.size", 1, ["tasks.mask.size: there is no such option; allowed: loss, weight"]),
        (
            "tasks.msk",
            {},
            ["tasks.msk: the data set has no target 'msk' (did you mean 'mask'?); it has mask, far"],
        ),
        (
            "tasks.far",
            {"name": "mask"},
            ["tasks.far: the data set's 'far' is for a depth task, not for a mask task"],
        ),
        (
            "tasks.far",
            {"name": "depth", "loss": "dice"},
            [
                "tasks.far.loss: 'dice' does not fit a depth task (it compares probabilities of maps; this "
                "map task offers lengths); losses that fit: l1"
            ],
        ),
        (
            "tasks.far",
            {"name": "depth", "max_depth": -1},
            ["tasks.far: max_depth must be above min_depth=0.0; it is -1.0"],
        ),
        ("tasks", {}, ["tasks: must map at least one target to its task; it is {}"]),
        (
            "tasks.mask",
            3,
            [
                "tasks.mask: must be the name of a task (mask, depth, label), or a mapping with one under name; it is 3"
            ],
        ),
        ("tasks", [], ["tasks: must map at least one target to its task; it is []"]),
        ("model", "resnet", ["model: no model is named 'resnet' (did you mean 'net'?)"]),
        (
            "model",
            None,
            ["model: must be the name of a model (net), or a mapping with one under name; it is null"],
        ),
        ("model.in_channels", 3, ["model.in_channels: there is no such option"]),
        ("dataset", "files", ["dataset.root: is required, and missing"]),
        ("augmentations", "turn", ['augmentations: must be a list; it is "turn"']),
        (
            "augmentations",
            [{"name": "turn", "p": 2}, "trun"],
            [
                "augmentations.0.p: must be at most 1; it is 2",
                "augmentations.1: no augmentation is named 'trun' (did you mean 'turn'?)",
            ],
        ),
        ("optimizer.learning_rate", -1, ["optimizer.learning_rate: must be above 0; it is -1"]),
        ("optimizer.learning_rate", "0.1", ['optimizer.learning_rate: must be a number; it is "0.1"']),
        ("training.epochs", 0, ["training.epochs: must be at least 1; it is 0"]),
        ("training.epochs", 1.5, ["training.epochs: must be an integer; it is 1.5"]),
        (
            "training.precision",
            "bf16",
            ["training.precision: must be 'auto', '32-true' or 'bf16-mixed'; it is \"bf16\" (did you m"],
        ),
        ("training.clip_norm", 0, ["training.clip_norm: must be above 0; it is 0"]),
        ("training.ema_decay", 1, ["training.ema_decay: must be below 1; it is 1"]),
        (
            "training.epoch",
            3,
            ["training.epoch: there is no such option (did you mean 'epochs'?); allowed: epochs, batch_size"],
        ),
        ("training", 3, ["training: must be a mapping; it is 3"]),
        ("training", [], ["training: must be a mapping; it is []"]),
        ("seeds", [], ["seeds: must be a list of at least 1; it is []"]),
        ("seeds", [1, 1], ["seeds: must differ from each other; they are 1, 1"]),
        ("seeds", [-1], ["seeds.0: must be at least 0; it is -1"]),
        ("seeds", 0, ["seeds: must be a list; it is 0"]),
        ("seeds", [2**32], ["seeds.0: must be below 4294967296"]),
        ("margins", {"mask": 0}, ["margins.mask: must be above 0; it is 0"]),
        ("margins", {"mask": 1}, ["margins.mask: must be below 1; it is 1"]),
        ("margins", {"mask": float("nan")}, ["margins.mask: must be a finite number"]),
        ("margins", {"mask": True}, ["margins.mask: must be a number; it is true"]),
        ("margins", 0.1, ["margins: must be a mapping; it is 0.1"]),
        (
            "margins",
            {"mask": 0.1, "msk": 0.1},
            ["margins.msk: no task is named 'msk' (did you mean 'mask'?); allowed: mask"],
        ),
        ("margins", {"far": 0.1}, ["margins.far: no task is named 'far'; allowed: mask"]),
        (
            "main_task",
            "msk",
            [
                "main_task: must be a task of every experiment; 'msk' (did you mean 'mask'?) is missing in experiment "
                "'trial'; allowed: mask"
            ],
        ),
        ("main_task", ["mask"], ['main_task: must be text; it is ["mask"]']),
        ("first_seeds", 1, ["first_seeds: must be at least 2; it is 1"]),
        ("first_seeds", 2.5, ["first_seeds: must be an integer; it is 2.5"]),
        (
            "first_seeds",
            2,
            ["first_seeds: must be below the number of seeds, 1; it is 2: give more seeds, or"],
        ),
        ("name", "a/b", ["name: must be fit for a folder"]),
        ("name", 3, ["name: must be text; it is 3"]),
        (
            "baseline",
            "trail",
            ["baseline: no experiment is named 'trail' (did you mean 'trial'?); allowed: trial"],
        ),
        ("baseline", None, ["baseline: must be text; it is null"]),
        ("experiments", {}, ["experiments: must be a mapping of at least 1; it is {}"]),
        ("experiments", None, ["experiments: must be a mapping; it is null"]),
        ("experiments", {"a": None}, ["experiments.a: must be a mapping; it is null"]),
        (
            "experiments",
            {"a": {"tasks..loss": 1}},
            ["experiments.a.tasks..loss: 'tasks..loss' is no key path: a part of it is empty"],
        ),
        ("grid", {}, ["grid: must be a mapping of at least 1; it is {}"]),
        ("grid", ["a"], ['grid: must be a mapping; it is ["a"]']),
        ("grid", {".epochs": [1]}, ["grid..epochs: '.epochs' is no key path"]),
        ("grid", {"training": {"epochs": [1]}}, ['grid.training: must be a list; it is {"epochs": [1]}']),
        (
            "grid",
            {"training.epochs": []},
            ["grid.training.epochs: must be a list of at least 1; it is []"],
        ),
        ("optimiser", "sgd", ["optimiser: no section is named 'optimiser' (did you mean 'optimizer'?)"]),
        ("epochs", 3, ["epochs: there is no such section (did you mean 'training.epochs'?)"]),
        (
            "experiments",
            {"a": {"seeds": [1]}, "b": {}},
            ["seeds: belongs to the whole suite, and cannot differ between experiments [experiment 'a']"],
        ),
        *(
            (
                "experiments",
                {"a": {path: value}, "b": {}},
                [
                    f"{key}: belongs to the whole suite, and cannot differ between experiments [experiment 'a']"
                ],
            )
            for key, path, value in (
                ("margins", "margins.mask", 0.1),
                ("main_task", "main_task", "mask"),
                ("first_seeds", "first_seeds", 2),
            )
        ),
        ("first_seed", 2, ["first_seed: no section is named 'first_seed' (did you mean 'first_seeds'?)"]),
        (
            "experiments",
            {"a": {"training.epochs.x": 1}},
            ["training.epochs: is 3, and holds no 'x' [experiment 'a']"],
        ),
        ("experiments", {"../a": {}}, ["experiments.../a: must be fit for a folder"]),
    ],
)
def test_a_problem_tells_place_value_and_what_is_allowed(
    parse: Parse, suite: dict[str, Any], path: str, value: Any, problems: list[str]
) -> None:
    suite["model"] = {"name": "net"}
    reported = problems_of(parse, put(suite, path.split("."), value))
    assert len(reported) == len(problems), reported
    for problem, start in zip(reported, problems, strict=True):
        assert problem.startswith(start)


def test_what_names_a_task_is_held_against_the_experiments_tasks(parse: Parse, suite: dict[str, Any]) -> None:
    suite |= {"experiments": {"both": {"tasks.far": {}}, "alone": {}}, "margins": {"far": 0.1}}
    assert parse(suite).margins == {"far": 0.1}
    assert parse(suite | {"main_task": "mask"}).main_task == "mask"
    assert problems_of(parse, suite | {"main_task": "far"}) == [
        "main_task: must be a task of every experiment; 'far' is missing in experiment 'alone'; allowed: mask"
    ]
    suite["experiments"] = {"near": {}, "far": {"tasks": {"mask": None, "far": {}}}}
    assert problems_of(parse, suite | {"main_task": "mask"}) == [
        "main_task: must be a task of every experiment; 'mask' is missing in experiment 'far'; allowed: none"
    ]


def test_a_misspelt_task_is_one_problem_and_not_also_one_of_what_names_it(
    parse: Parse, suite: dict[str, Any]
) -> None:
    suite |= {"tasks": {"msk": {}}, "margins": {"mask": 0.1}, "main_task": "mask"}
    (problem,) = problems_of(parse, suite)
    assert problem.startswith("tasks.msk: the data set has no target 'msk'")


def test_what_names_no_task_is_reported_with_the_problems_of_experiments(
    parse: Parse, suite: dict[str, Any]
) -> None:
    suite |= {"margins": {"msk": 0.1}, "model": "nt"}
    suite["tasks"]["mask"]["loss"] = "dise"
    reported = problems_of(parse, suite, "main_task=far", "first_seeds=3")
    assert sorted(problem.partition(":")[0] for problem in reported) == [
        "first_seeds",
        "main_task",
        "margins.msk",
        "model",
        "tasks.mask.loss",
    ]
    assert sorted(problem.rpartition(" [")[2] for problem in reported if problem.endswith("]")) == [
        "override 'first_seeds=3']",
        "override 'main_task=far']",
    ]


def test_first_seeds_are_fewer_than_the_seeds(parse: Parse, suite: dict[str, Any]) -> None:
    suite["seeds"] = [5, 6, 7]
    assert parse(suite | {"first_seeds": 2}).first_seeds == 2
    assert problems_of(parse, suite | {"first_seeds": 3}) == [
        "first_seeds: must be below the number of seeds, 3; it is 3: give more seeds, or null to run them all"
    ]
    assert problems_of(parse, suite | {"first_seeds": 3, "seeds": [-1]}) == [
        "seeds.0: must be at least 0; it is -1"
    ]


def test_how_experiments_are_compared_can_be_overridden(parse: Parse, suite: dict[str, Any]) -> None:
    suite |= {
        "margins": {"mask": 0.1, "far": 0.1},
        "main_task": "far",
        "seeds": [0, 1, 2, 3],
        "first_seeds": 3,
    }
    suite["tasks"]["far"] = {}
    config = parse(suite, "margins.mask=0.02", "main_task=mask", "first_seeds=2")
    assert (config.margins, config.main_task, config.first_seeds) == ({"mask": 0.02, "far": 0.1}, "mask", 2)
    config = parse(suite, "main_task=", "first_seeds=null")
    assert (config.main_task, config.first_seeds) == (None, None)


@pytest.mark.parametrize("section", ["dataset", "model", "tasks", "optimizer", "training"])
def test_a_section_without_a_default_must_be_given(parse: Parse, suite: dict[str, Any], section: str) -> None:
    del suite[section]
    assert problems_of(parse, suite) == [f"{section}: is required, and missing"]


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "a/b", "a\\b", "a..b", "a b", "-a", "a\n", "x" * 201]
)
def test_names_that_are_no_folders_are_refused(parse: Parse, suite: dict[str, Any], name: str) -> None:
    suite["experiments"] = {name: {}}
    assert "must be fit for a folder" in problems_of(parse, suite)[0]


def test_experiments_that_are_the_same_are_refused(parse: Parse, suite: dict[str, Any]) -> None:
    epochs = suite["training"]["epochs"]
    suite["experiments"] = {"a": {}, "mask": {"tasks": {"mask": {}}}, "c": {"training.epochs": epochs + 1}}
    assert problems_of(parse, suite) == [
        "experiments must differ, and these do not: a, mask; a mapping changes the keys that it names and keeps the "
        "rest, and null takes a task away"
    ]


def test_a_task_is_fit_for_a_folder_and_for_a_metric(parse: Parse, suite: dict[str, Any]) -> None:
    """Its predictions lie in a folder of its name, and `<task>/<metric>` is told apart at the first slash."""
    targets = {"mask/x": {"kind": "mask", "folder": "masks"}}
    suite["dataset"] = {
        "name": "folders",
        "root": "data",
        "inputs": {"image": "images"},
        "targets": targets,
        "size": 32,
    }
    suite["tasks"] = {"mask/x": {}}
    assert any("tasks.mask/x: must be fit for a folder" in problem for problem in problems_of(parse, suite))


def test_all_problems_of_a_file_are_reported_at_once(parse: Parse, suite: dict[str, Any]) -> None:
    suite |= {
        "seeds": [-1],
        "modle": "net",
        "schedule": "onecycle",
        "baseline": "x",
        "grid": {"training.epochs": [1, 0]},
    }
    suite["tasks"]["mask"]["loss"] = "dise"
    suite["training"]["batchsize"] = 3
    with pytest.raises(ConfigError) as caught:
        parse(suite, "model.width=[3]", "nonsense", "trainng.epochs=3")
    reported = {problem.path: problem.origin for problem in caught.value.problems}
    assert reported == {
        "": "override 'nonsense'",
        "seeds.0": "",
        "modle": "",
        "trainng": "override 'trainng.epochs=3'",
        "schedule": "",
        "baseline": "",
        "training.epochs": "experiment 'epochs=0'",
        "tasks.mask.loss": "",
        "training.batchsize": "",
        "model.width": "override 'model.width=[3]'",
    }
    assert len(reported) == len(caught.value.problems)
    lines = str(caught.value).splitlines()
    assert lines[0] == "trial.yaml: 10 problems"
    assert lines[1:] == [f"  {problem}" for problem in caught.value.problems]


def test_what_a_broken_grid_would_have_brought_is_not_missed(parse: Parse, suite: dict[str, Any]) -> None:
    del suite["optimizer"]["learning_rate"]
    assert problems_of(parse, suite) == ["optimizer.learning_rate: is required, and missing"]
    (problem,) = problems_of(parse, suite | {"grid": {"optimizer.learning_rate": []}})
    assert problem.startswith("grid.optimizer.learning_rate: must be a list of at least 1")


def test_a_problem_of_many_experiments_is_reported_once(parse: Parse, suite: dict[str, Any]) -> None:
    suite["grid"] = {"optimizer.learning_rate": [0.1, 0.2, 0.3, 0.4], "tasks.mask.loss": ["bce", "dise"]}
    (problem,) = problems_of(parse, suite)
    assert problem.startswith("tasks.mask.loss: no loss is named 'dise'")
    assert problem.endswith(
        "[experiments 'learning_rate=0.1,loss=dise', 'learning_rate=0.2,loss=dise', "
        "'learning_rate=0.3,loss=dise' and 1 more]"
    )


def test_a_problem_of_the_only_experiment_names_it_where_its_override_brought_it(
    parse: Parse, suite: dict[str, Any]
) -> None:
    suite["training"]["workers"] = -1
    suite["experiments"] = {"only": {"tasks": {"mask": {"loss": "dise"}}}}
    reported = problems_of(parse, suite)
    assert [problem.rpartition(" [")[2] for problem in reported if "dise" in problem] == [
        "experiment 'only']"
    ]
    assert [problem for problem in reported if "workers" in problem] == [
        "training.workers: must be at least 0 or 'auto'; it is -1"
    ]


def test_an_experiment_that_replaces_an_overridden_value_is_what_brought_the_problem(
    parse: Parse, suite: dict[str, Any]
) -> None:
    suite["experiments"] = {"a": {"training.epochs": 0}, "b": {}}
    assert problems_of(parse, suite, "training.epochs=5") == [
        "training.epochs: must be at least 1; it is 0 [experiment 'a']"
    ]


def test_the_error_survives_another_process(parse: Parse, suite: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse({**suite, "seeds": []})
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert isinstance(caught.value, CnnlibError)


# ---------------------------------------------------------------- until all is decided


@pytest.fixture(scope="module")
def compared(tables: Tables) -> SuiteConfig:
    sections = {"dataset": "rooms", "model": "net", "tasks": {"mask": {}}, "optimizer": "adam"}
    experiments = {"a": {}, "b": {"training.epochs": 4}}
    suite = sections | {"training": {"epochs": 3}, "experiments": experiments, "margins": {"mask": 0.02}}
    return parse_suite(suite | {"main_task": "mask", "baseline": "b"}, tables=tables)


@given(seeds=st.lists(st.integers(0, 99), min_size=2, max_size=6, unique=True), further=st.integers(1, 9))
def test_until_decided_adds_the_smallest_seeds_above_all_given_ones(
    compared: SuiteConfig, seeds: list[int], further: int
) -> None:
    suite = compared.model_copy(update={"seeds": tuple(seeds)})
    longer = until_decided(suite, len(seeds) + further)
    above = [seed for seed in range(99 + 10) if all(seed > given for given in seeds)]
    assert longer.seeds == (*seeds, *above[:further])
    assert longer.first_seeds == len(seeds)
    assert longer.model_copy(update={"seeds": suite.seeds, "first_seeds": None}) == suite


def test_until_decided_is_written_as_a_config_says_it(parse: Parse, suite: dict[str, Any]) -> None:
    suite |= {"experiments": {"a": {}, "b": {"training.epochs": 9}}, "seeds": [10, 12]}
    longer = until_decided(parse(suite), 5)
    assert longer == parse(suite | {"seeds": [10, 12, 13, 14, 15], "first_seeds": 2})
    assert parse(parse_yaml(longer.to_yaml())) == longer


@pytest.mark.parametrize(
    ("changes", "max_seeds", "text"),
    [
        ({"first_seeds": 2}, 10, "the config says first_seeds: 2, .*: leave out --until$"),
        ({"seeds": [4]}, 10, r"--until decided .* has 1: .* e\.g\. --set seeds=\[0,1,2\]$"),
        (
            {"experiments": {"a": {}}},
            10,
            "--until decided needs at least two experiments to compare; .* has 1$",
        ),
        ({}, 3, "--max-seeds must be above the suite's number of seeds, 3; it is 3$"),
        ({}, -1, "--max-seeds must be above the suite's number of seeds, 3; it is -1$"),
        ({"seeds": [0, 2**32 - 2]}, 4, "--max-seeds 4 adds .* 4294967294, .* below 4294967296: give smaller"),
    ],
)
def test_until_decided_is_refused_where_it_says_nothing(
    parse: Parse, suite: dict[str, Any], changes: dict[str, Any], max_seeds: int, text: str
) -> None:
    suite |= {"experiments": {"a": {}, "b": {"training.epochs": 9}}, "seeds": [0, 1, 2], **changes}
    with pytest.raises(CnnlibError, match=f"^{text}"):
        until_decided(parse(suite), max_seeds)


def test_the_largest_seed_can_be_added(parse: Parse, suite: dict[str, Any]) -> None:
    suite |= {"experiments": {"a": {}, "b": {"training.epochs": 9}}, "seeds": [0, 2**32 - 2]}
    assert until_decided(parse(suite), 3).seeds == (0, 2**32 - 2, 2**32 - 1)


# ---------------------------------------------------------------- files


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", "the file is empty"),
        (b"# nothing\n", "the file is empty"),
        (b"- a\n", 'must be a mapping of sections; it is ["a"]'),
        (b"scenes", 'must be a mapping of sections; it is "scenes"'),
        (b"name: \xff", "is not UTF-8 text: byte 6 cannot be read"),
        (b"name: a\nname: b\n", "line 2, column 1: the key 'name' stands twice in one mapping"),
        (b"name: [a\n", "line 2, column 1: expected ',' or ']'"),
        (b"a: &a [*a]", "line 1, column 8: an alias leads back to what it stands in"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(tmp_path: Path, content: bytes, text: str) -> None:
    path = tmp_path / "trial.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_suite(path)
    first, problem = str(caught.value).splitlines()
    assert first == f"{path}: 1 problem"
    assert problem.strip().startswith(text)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        load_suite(tmp_path / "trial.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load_suite(tmp_path)


# ---------------------------------------------------------------- outside code and building


def test_a_dotted_path_names_outside_code(
    parse: Parse, suite: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_losses.py").write_text(
        "from cnnlib.losses import Loss\n"
        "class Mine(Loss):\n"
        "    values = frozenset({'logits'})\n"
        "    def __init__(self, power: float = 2.0): self.power = power\n"
        "class Bare(Loss): ...\n"
        "def made(power: float = 2.0) -> Mine: return Mine(power)\n"
    )
    (tmp_path / "my_broken.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)  # where a user types the command
    monkeypatch.setattr(sys, "path", [*sys.path])
    suite["tasks"]["mask"]["loss"] = {"name": "my_losses.Mine", "power": 3}
    (term,) = parse(suite).experiments["trial"].tasks["mask"].loss
    assert build(term, {}).power == 3.0
    for name, text in {
        "my_losses.Mime": "cannot be imported: AttributeError",
        "my_loses.Mine": "cannot be imported: ModuleNotFoundError",
        "my_broken.Mine": "cannot be imported: ZeroDivisionError",
        "my_losses.Bare": "cannot serve as a loss: it has no values",
        "my_losses.Loss": "cannot serve as a loss: it must be a class that derives from cnnlib.losses.base.Loss, or a "
        "function whose annotation says that it returns one; it is a class that derives from torch.nn",
        "math.pi": "cannot serve as a loss: it must be a class that derives from cnnlib.losses.base.Loss, or a "
        "function whose annotation says that it returns one; it is a float",
        "..": "cannot be imported",
    }.items():
        suite["tasks"]["mask"]["loss"] = name
        (problem,) = problems_of(parse, suite)
        assert problem.startswith(f"tasks.mask.loss: {name!r} {text}")


def test_a_dotted_path_may_bring_a_new_kind_of_task(
    parse: Parse, suite: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_tasks.py").write_text(
        "from cnnlib.tasks import MaskTask, Task\n"
        "class Soft(MaskTask):\n"
        "    kind = 'soft'\n"
        "    def __init__(self, info, sharpness: float = 1.0): super().__init__(info)\n"
        "class Bare(Task): default_loss = 'bce'\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    suite["tasks"] = {"mask": {"name": "my_tasks.Soft", "sharpness": 2}}
    task = parse(suite).experiments["trial"].tasks["mask"]
    assert (task.name, task.options, task.loss[0].name) == ("my_tasks.Soft", {"sharpness": 2.0}, "bce")
    suite["tasks"]["mask"]["loss"] = "cross_entropy"
    assert problems_of(parse, suite) == [
        "tasks.mask.loss: 'cross_entropy' does not fit a soft task (it compares classes; this map task offers "
        "probabilities, logits); losses that fit: bce, dice, l1"
    ]
    suite["tasks"] = {"mask": {"name": "my_tasks.Bare"}}
    assert problems_of(parse, suite) == ["tasks.mask: 'my_tasks.Bare' cannot serve as a task: it has no kind"]


# ---------------------------------------------------------------- tasks and their losses


def test_a_task_is_of_the_kind_that_its_target_has(parse: Parse, suite: dict[str, Any]) -> None:
    suite["tasks"] = {"far": {}, "mask": "mask"}
    tasks = parse(suite).experiments["trial"].tasks
    assert [(key, task.name, task.loss[0].name) for key, task in tasks.items()] == [
        ("far", "depth", "l1"),
        ("mask", "mask", "bce"),
    ]


def test_where_the_files_decide_a_key_must_be_a_kind_or_say_one(parse: Parse, suite: dict[str, Any]) -> None:
    suite["dataset"] = {"name": "files", "root": "."}
    suite["tasks"] = {"depth": {}, "silhouette": {"name": "mask"}}
    tasks = parse(suite).experiments["trial"].tasks
    assert {key: task.name for key, task in tasks.items()} == {"depth": "depth", "silhouette": "mask"}
    suite["tasks"] = {"silhouette": {"lose": "bce"}}
    assert problems_of(parse, suite) == [
        "tasks.silhouette: 'silhouette' is no kind of task; say which with name: mask, depth, label"
    ]


def test_a_loss_fits_if_it_does_for_some_target_that_the_files_may_hold(
    parse: Parse, suite: dict[str, Any]
) -> None:
    suite |= {"dataset": {"name": "files", "root": "."}, "model": {"name": "net", "vectors": True}}
    for loss in ("cross_entropy", "bce"):  # one class of several is true, or any number of them
        suite["tasks"] = {"label": {"loss": loss}}
        assert parse(suite).experiments["trial"].tasks["label"].loss[0].name == loss
    suite["tasks"] = {"label": {"loss": ["dice"]}}
    (problem,) = problems_of(parse, suite)
    assert problem.endswith(
        "this vector task offers classes, logits); losses that fit: bce, l1, cross_entropy"
    )


def test_a_loss_term_may_say_which_values_it_compares(parse: Parse, suite: dict[str, Any]) -> None:
    suite["tasks"]["mask"]["loss"] = {"name": "l1", "on": "logits"}
    assert parse(suite).experiments["trial"].tasks["mask"].loss[0].on == "logits"
    suite["tasks"]["mask"]["loss"] = [{"name": "l1", "on": "lengths"}, {"name": "dice", "on": 3}]
    assert problems_of(parse, suite) == ["tasks.mask.loss.1.on: must be text; it is 3"]
    suite["tasks"]["mask"]["loss"].pop()
    assert problems_of(parse, suite) == [
        "tasks.mask.loss.0.on: must be probabilities or logits, which 'l1' can compare for this task; "
        'it is "lengths"'
    ]


def test_a_model_that_cannot_make_the_heads_is_refused(parse: Parse, suite: dict[str, Any]) -> None:
    suite |= {"dataset": {"name": "files", "root": "."}, "tasks": {"label": {}}}
    assert problems_of(parse, suite) == ["model: a net has heads for maps only"]


# ---------------------------------------------------------------- building and saving


def test_an_option_of_a_section_s_default_can_be_set(parse: Parse, suite: dict[str, Any]) -> None:
    assert "predictions" not in suite
    experiment = parse(suite, "predictions.count=3").experiments["trial"]
    assert experiment.predictions == Component(name="folder", options={"count": 3})


def test_build_gives_options_and_what_the_program_injects(
    parse: Parse, suite: dict[str, Any], tables: Tables
) -> None:
    experiment = parse(suite).experiments["trial"]
    assert build(experiment.optimizer, tables["optimizer"], parameters="all") == {
        "parameters": "all",
        "learning_rate": 0.1,
        "momentum": 0.9,
    }
    net = build(experiment.model, tables["model"], heads={"mask": Head("map", 1)})
    assert (net.widths, net.heads) == ([8, 16], {"mask": Head("map", 1)})
    with pytest.raises(CnnlibError, match="did you mean 'adam'"):
        REGISTRIES["optimizer"].find("adamw", tables["optimizer"])


def test_a_saved_run_is_complete_and_says_nothing_of_how_the_suite_is_compared(
    parse: Parse, suite: dict[str, Any]
) -> None:
    suite |= {"margins": {"mask": 0.1}, "main_task": "mask", "seeds": [5, 6, 7], "first_seeds": 2}
    text = to_yaml(parse(suite).experiments["trial"], "suite", "first", 7)
    assert parse_yaml(text) == {
        "name": "suite",
        "seeds": [7],
        "dataset": {
            "name": "rooms",
            "size": 32,
            "root": None,
            "folds": None,
            "fold": None,
            "repeat": 1,
            "balance": False,
            "on_error": "raise",
            "max_skipped": 0.05,
            "leaks": "refuse",
            "normalize": None,
            "cache": False,
            "cache_limit": 20.0,
        },
        "augmentations": [],
        "model": {
            "name": "net",
            "widths": [8, 16],
            "copy": False,
            "norm": "batch",
            "scale": [0.5, 2.0],
            "vectors": False,
        },
        "tasks": {
            "mask": {
                "name": "mask",
                "loss": [{"name": "bce", "pos_weight": None, "weight": 1.0, "on": None}],
                "weight": 1.0,
            }
        },
        "optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9},
        "weighting": {"name": "fixed"},
        "schedule": {"name": "constant"},
        "training": {
            "epochs": 3,
            "batch_size": 16,
            "workers": 2,
            "precision": "auto",
            "clip_norm": None,
            "accumulate": 1,
            "ema_decay": None,
            "patience": None,
            "overfit_batches": None,
        },
        "predictions": {"name": "folder", "count": None},
        "experiments": {"first": {}},
        "baseline": "first",
    }


def test_the_kind_that_a_data_set_is_given_is_its_tasks(tmp_path: Path) -> None:
    suite = {
        "dataset": {
            "name": "folders",
            "root": str(tmp_path),
            "inputs": {"image": "images"},
            "targets": {
                "animal": {"kind": "label", "by_folder": True},
                "fur": {"kind": "semantic", "folder": "fur"},
            },
        },
        "model": "resunet",
        "tasks": {"animal": {}, "fur": {"loss": "dice"}},
        "optimizer": "adamw",
        "training": {"epochs": 1},
    }
    (experiment,) = parse_suite(suite).experiments.values()
    assert {key: task.name for key, task in experiment.tasks.items()} == {
        "animal": "label",
        "fur": "semantic",
    }
    suite["tasks"] = {"animl": {}}
    with pytest.raises(ConfigError, match="'animl' is no kind of task"):
        parse_suite(suite)


def test_folds_stand_beside_the_options_of_any_data_set(parse: Parse, suite: dict[str, Any]) -> None:
    dataset = parse(suite, "dataset.folds=5").experiments["trial"].dataset
    assert [dataset.fold_of(seed) for seed in (0, 4, 5, 12)] == [(0, 0), (4, 0), (0, 1), (2, 2)]
    assert dataset.cross_validated
    one = parse(suite, "dataset.folds=5", "dataset.fold=3").experiments["trial"].dataset
    assert (one.fold_of(7), one.cross_validated) == ((3, 0), False)
    assert parse(suite).experiments["trial"].dataset.fold_of(7) is None


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["dataset.folds=1"], "dataset.folds"),
        (["dataset.folds=5", "dataset.fold=5"], "fold must be below folds"),
        (["dataset.fold=0"], "fold must be below folds"),
    ],
)
def test_folds_that_do_not_exist(
    parse: Parse, suite: dict[str, Any], overrides: list[str], expected: str
) -> None:
    assert any(expected in problem for problem in problems_of(parse, suite, *overrides))


@pytest.mark.parametrize("override", ["x" * 12_000, "model.width=[" + "x" * 12_000, "modle=" + "x" * 12_000])
def test_a_long_override_is_shortened_in_the_message(
    parse: Parse, suite: dict[str, Any], override: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(suite, override)
    assert len(str(caught.value)) < 1_000
