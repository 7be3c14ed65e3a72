from __future__ import annotations

import copy
from typing import Any

import pytest

from cnnlib.config.expand import PathError, assign, folder_problems, override, variants

COMMON = {
    "model": "net",
    "optimizer": {"name": "sgd", "learning_rate": 0.1, "momentum": 0.9},
    "augmentations": [{"name": "turn", "p": 0.5}, "flip"],
    "tasks": {"mask": {"loss": "bce", "weight": 2.0}, "depth": {"loss": [{"name": "l1"}, "ssim"]}},
    "training": {"epochs": 3, "clip_norm": None},
}


def names_of(experiments: Any = (), grid: Any = ()) -> list[str]:
    found, problems = variants(COMMON, dict(experiments), dict(grid), "only")
    assert not problems
    return [name for name, _ in found]


@pytest.mark.parametrize(
    ("path", "value", "at", "result"),
    [
        ("training.epochs", 5, ["training"], {"epochs": 5, "clip_norm": None}),
        ("training", {"epochs": 5}, ["training"], {"epochs": 5, "clip_norm": None}),
        ("training.clip_norm", 1.0, ["training"], {"epochs": 3, "clip_norm": 1.0}),
        ("training.patience", 2, ["training"], {"epochs": 3, "clip_norm": None, "patience": 2}),
        ("schedule.warmup.share", 0.1, ["schedule"], {"warmup": {"share": 0.1}}),
        ("optimizer.momentum", 0, ["optimizer"], {"name": "sgd", "learning_rate": 0.1, "momentum": 0}),
        ("optimizer", {"momentum": 0}, ["optimizer"], {"name": "sgd", "learning_rate": 0.1, "momentum": 0}),
        ("optimizer", {"name": "adam"}, ["optimizer"], {"name": "adam"}),
        ("optimizer", "adam", ["optimizer"], "adam"),
        ("model.widths", [1], ["model"], {"name": "net", "widths": [1]}),
        ("model", {"widths": [1]}, ["model"], {"name": "net", "widths": [1]}),
        ("augmentations.0.p", 1, ["augmentations"], [{"name": "turn", "p": 1}, "flip"]),
        ("augmentations.1.p", 1, ["augmentations"], [{"name": "turn", "p": 0.5}, {"name": "flip", "p": 1}]),
        ("augmentations", [], ["augmentations"], []),
        ("tasks.mask.loss.smooth", 0, ["tasks", "mask", "loss"], {"name": "bce", "smooth": 0}),
        ("tasks.mask.loss", ["bce", "dice"], ["tasks", "mask", "loss"], ["bce", "dice"]),
        (
            "tasks.depth.loss.1.weight",
            2,
            ["tasks", "depth", "loss"],
            [{"name": "l1"}, {"name": "ssim", "weight": 2}],
        ),
        ("tasks", {"mask": {"loss": "dice"}}, ["tasks", "mask"], {"loss": "dice", "weight": 2.0}),
        ("tasks", {"mask": {"name": "mask"}}, ["tasks", "mask"], {"name": "mask"}),
        ("tasks.depth", None, ["tasks"], {"mask": {"loss": "bce", "weight": 2.0}}),
        ("tasks", {"depth": None}, ["tasks"], {"mask": {"loss": "bce", "weight": 2.0}}),
    ],
)
def test_assign_lays_a_value_over_another(path: str, value: Any, at: list[str], result: Any) -> None:
    before = copy.deepcopy(COMMON)
    after = assign(COMMON, path.split("."), value)
    assert before == COMMON  # nothing is changed in place
    assert {key: value for key, value in after.items() if key != at[0]} == {
        key: value for key, value in COMMON.items() if key != at[0]
    }
    for key in at:
        after = after[key]
    assert after == result


@pytest.mark.parametrize(
    ("path", "place", "text"),
    [
        ("training.epochs.first", "training.epochs", "is 3, and holds no 'first'"),
        ("augmentations.2.p", "augmentations", "has no entry '2': its indices are 0 to 1"),
        ("augmentations.-1.p", "augmentations", "has no entry '-1'"),
        ("augmentations.turn", "augmentations", "has no entry 'turn'"),
    ],
)
def test_a_path_that_leads_nowhere_is_refused(path: str, place: str, text: str) -> None:
    with pytest.raises(PathError) as caught:
        assign(COMMON, path.split("."), 1)
    assert caught.value.problem.path == place
    assert text in caught.value.problem.text


def test_one_experiment_is_called_like_the_suite() -> None:
    assert names_of() == ["only"]


def test_named_experiments_keep_their_names_and_order() -> None:
    assert names_of({"b": {}, "a": {"tasks.mask.loss": "dice"}}) == ["b", "a"]


def test_a_grid_is_a_product_whose_last_key_varies_fastest() -> None:
    found, problems = variants(
        COMMON, {}, {"optimizer.learning_rate": [0.1, 1e-05], "tasks.mask.loss": ["bce", "l1"]}, ""
    )
    assert not problems
    assert [name for name, _ in found] == [
        "learning_rate=0.1,loss=bce",
        "learning_rate=0.1,loss=l1",
        "learning_rate=1e-05,loss=bce",
        "learning_rate=1e-05,loss=l1",
    ]
    assert [
        (config["optimizer"]["learning_rate"], config["tasks"]["mask"]["loss"]) for _, config in found
    ] == [(0.1, "bce"), (0.1, "l1"), (1e-05, "bce"), (1e-05, "l1")]


def test_experiments_and_a_grid_are_multiplied() -> None:
    assert names_of({"a": {}, "b": {}}, {"training.epochs": [1, 2]}) == [
        "a,epochs=1",
        "a,epochs=2",
        "b,epochs=1",
        "b,epochs=2",
    ]


@pytest.mark.parametrize(
    ("grid", "name"),
    [
        ({"tasks.mask.loss": ["bce"], "tasks.depth.loss": ["l1"]}, "mask.loss=bce,depth.loss=l1"),
        ({"loss": ["a"], "tasks.loss": ["b"]}, "loss=a,tasks.loss=b"),
        (
            {"tasks.mask.loss": [[{"name": "bce"}, {"name": "dice", "weight": 0.5}]]},
            "loss=bce+dice-weight-0.5",
        ),
        ({"model.widths": [[8, 16]]}, "widths=8+16"),
        ({"training.clip_norm": [None]}, "clip_norm=null"),
        ({"model.copy": [True]}, "copy=true"),
        ({"dataset.root": ["../a b/c"]}, "root=.__a_b_c"),
        ({"augmentations": [[]]}, "augmentations=none"),
        ({"optimizer": [{"name": "sgd", "learning_rate": 0.1}]}, "optimizer=sgd-learning_rate-0.1"),
    ],
)
def test_grid_points_have_readable_names_fit_for_folders(grid: Any, name: str) -> None:
    (((found, _),), _) = variants({}, {}, grid, "")
    assert found == name


@pytest.mark.parametrize(
    ("experiments", "grid", "clashing"),
    [
        (None, {"training.epochs": [1, 1]}, ["'epochs=1'"]),
        (None, {"dataset.root": ["a/b", "a b"]}, ["'root=a_b'"]),
        ({"L1": {}, "l1": {}}, None, ["'L1'", "'l1'"]),
    ],
)
def test_names_that_share_a_folder_are_refused(experiments: Any, grid: Any, clashing: list[str]) -> None:
    names = names_of(experiments or {}, grid or {})
    (problem,) = folder_problems(names)
    assert all(name in problem.text for name in clashing)
    assert list(folder_problems(["a", "b"])) == []


@pytest.mark.parametrize("name", ["results.csv", "Report.html"])
def test_names_of_the_suites_own_files_are_refused(name: str) -> None:
    (problem,) = folder_problems([name])
    assert "the suite has a file of that name" in problem.text


@pytest.mark.parametrize(
    ("text", "key", "value"),
    [
        ("training.epochs=5", "training", {"epochs": 5, "clip_norm": None}),
        (
            "optimizer.learning_rate=1e-4",
            "optimizer",
            {"name": "sgd", "learning_rate": 1e-4, "momentum": 0.9},
        ),
        ("name=a=b", "name", "a=b"),
        ("seeds=[1, 2]", "seeds", [1, 2]),
        ("training={epochs: 5}", "training", {"epochs": 5, "clip_norm": None}),
        ("baseline=", "baseline", None),
        ("grid.training.epochs=[1]", "grid", {"tasks.mask.loss": ["bce"], "training.epochs": [1]}),
        ("grid.tasks.mask.loss=[l1]", "grid", {"tasks.mask.loss": ["l1"]}),
        ("grid={training.epochs: [1]}", "grid", {"training.epochs": [1]}),
        ("experiments.v1.5.training.epochs=9", "experiments", {"v1": {}, "v1.5": {"training.epochs": 9}}),
        ("experiments.v1.training.epochs=9", "experiments", {"v1": {"training.epochs": 9}, "v1.5": {}}),
        ("experiments.v1={a: 1}", "experiments", {"v1": {"a": 1}, "v1.5": {}}),
    ],
)
def test_an_override_changes_one_path(text: str, key: str, value: Any) -> None:
    suite = {**COMMON, "grid": {"tasks.mask.loss": ["bce"]}, "experiments": {"v1": {}, "v1.5": {}}}
    changed = override(suite, text)
    assert changed[key] == value
    assert {k: v for k, v in changed.items() if k != key} == {k: v for k, v in suite.items() if k != key}


def test_an_override_of_an_experiment_is_laid_over_what_it_says_already() -> None:
    suite = {"experiments": {"a": {"training.epochs": 1, "training": {"epochs": 2}}}}
    changed = override(suite, "experiments.a.training.epochs=3")
    (((_, config),), _) = variants(COMMON, changed["experiments"], {}, "")
    assert config["training"]["epochs"] == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training.epochs", ["key.path=value", "'training.epochs'"]),
        ("=3", ["key.path=value"]),
        ("a..b=3", ["key.path=value"]),
        ("training.epochs=[1", ["cannot be read", "'[1'"]),
        ("experiments.v2.training.epochs=1", ["no experiment is named 'v2' (did you mean 'v1'?)"]),
        ("grid.a=1", ["is 3, and holds no keys"]),
    ],
)
def test_an_override_that_says_nothing_is_refused(text: str, words: list[str]) -> None:
    with pytest.raises(PathError) as caught:
        override({"name": "trial", "experiments": {"v1": {}}, "grid": 3}, text)
    for word in words:
        assert word in caught.value.problem.text
