"""What a configuration says of runs that start from others, of freezing, and of learning rates by part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from cnnlib.config import ConfigError, SuiteConfig, parse_suite, to_yaml
from cnnlib.yaml_text import parse_yaml

SUITE = {
    "dataset": "scenes",
    "model": {"name": "resunet", "widths": [4, 8]},
    "tasks": {"mask": {}},
    "optimizer": "adamw",
    "training": {"epochs": 3},
}


def problems(**changes: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_suite({**SUITE, **changes})
    return [str(problem) for problem in caught.value.problems]


def from_runs(**parents: str | None) -> dict[str, Any]:
    """Experiments and what they start from."""
    return {name: {} if parent is None else {"start_from.run": parent} for name, parent in parents.items()}


def test_what_is_not_said_is_the_default() -> None:
    suite = parse_suite(SUITE | {"experiments": from_runs(v1=None, v2="v1")})
    first, second = suite.experiments.values()
    assert (first.start_from, first.freeze, first.learning_rate_factors) == (None, None, None)
    assert second.start_from.model_dump() == {
        "run": "v1",
        "weights": True,
        "heads": False,
        "optimizer": False,
    }
    assert [suite.ancestors(name) for name in suite.experiments] == [[], ["v1"]]


def test_an_unknown_experiment_is_told_its_nearest() -> None:
    (found,) = problems(experiments=from_runs(detector=None, later="detectr"))
    assert found.startswith("start_from.run: ")
    assert "did you mean 'detector'?" in found
    assert "[experiment 'later']" in found
    assert "./detectr" in found
    parse_suite(SUITE | {"experiments": {"later": {"start_from.run": "./detectr"}}})
    of_grid = problems(start_from={"run": "epochs=3"}, grid={"training.epochs": [1, 2]})
    assert len(of_grid) == 2
    assert all("did you mean 'epochs=1'?" in text or "did you mean 'epochs=2'?" in text for text in of_grid)


def test_nobody_starts_from_itself_directly_or_around_a_corner() -> None:
    (found,) = problems(experiments=from_runs(a="a", b=None))
    assert found == "start_from.run: leads back to the experiment itself: a -> a [experiment 'a']"
    found = problems(experiments=from_runs(a="c", b="a", c="b", d="a"))
    assert [text.partition("itself: ")[2] for text in found] == [
        "a -> c -> b -> a [experiment 'a']",
        "b -> a -> c -> b [experiment 'b']",
        "c -> b -> a -> c [experiment 'c']",
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"start_from": {"run": ""}}, ["start_from.run"]),
        ({"start_from": {"weights": True}}, ["start_from.run: is required"]),
        (
            {"start_from": {"run": "./a", "weight": True}},
            ["there is no such option (did you mean 'weights'?)"],
        ),
        ({"start_from": {"run": "./a", "weights": False}}, ["nothing would be taken over"]),
        (
            {"start_from": {"run": "./a", "weights": False, "optimizer": True}},
            ["optimizer: true needs weights: true"],
        ),
        ({"freeze": {"trained_stages": 4}}, ["freeze: 4 stages would be trained", "the encoder has 3"]),
        ({"freeze": {"trained_stages": "every"}}, ["freeze.trained_stages", "'all'"]),
        ({"freeze": {"trained_stages": -1}}, ["freeze.trained_stages", "at least 0"]),
        (
            {"freeze": {"trained_stages": 0, "unfreeze": [{"epoch": 1, "trained_stages": 1}]}},
            ["freeze.unfreeze.0.epoch", "at least 2"],
        ),
        (
            {"freeze": {"trained_stages": 0, "unfreeze": [{"epoch": 4, "trained_stages": 1}]}},
            ["freeze.unfreeze: epoch 4 comes after the last one, training.epochs 3"],
        ),
        (
            {
                "freeze": {
                    "trained_stages": 0,
                    "unfreeze": [{"epoch": 3, "trained_stages": 1}, {"epoch": 2, "trained_stages": 2}],
                }
            },
            ["freeze.unfreeze", "must ascend; they are 3, 2"],
        ),
        (
            {"freeze": {"trained_stages": 0, "unfreeze": [{"epoch": 2, "trained_stages": 5}]}},
            ["freeze: 5 stages would be trained"],
        ),
        ({"learning_rate_factors": {"encoder": 0}}, ["learning_rate_factors.encoder", "above 0"]),
        ({"learning_rate_factors": {"head": 2}}, ["did you mean 'heads'?"]),
        ({"learning_rate_factors": {"per_stage": 1.5}}, ["learning_rate_factors.per_stage", "at most 1"]),
    ],
)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], words: list[str]) -> None:
    (found,) = problems(**changes)
    assert all(word in found for word in words), found


ALL = {
    "start_from": {"run": "a", "heads": True, "optimizer": True},
    "freeze": {"trained_stages": 0, "unfreeze": [{"epoch": 2, "trained_stages": "all"}]},
    "learning_rate_factors": {"encoder": 0.1, "per_stage": 0.5},
}


def test_a_saved_suite_and_a_saved_run_read_back_equal() -> None:
    suite = parse_suite(SUITE | {"experiments": {"a": {}, "b": ALL, "c": ALL | {"start_from.run": "b"}}})
    assert parse_suite(parse_yaml(suite.to_yaml())).experiments == suite.experiments
    ancestors = {name: suite.experiments[name] for name in suite.ancestors("c")}
    assert list(ancestors) == ["a", "b"]
    saved = parse_suite(parse_yaml(to_yaml(suite.experiments["c"], "s", "c", 7, ancestors)))
    assert saved == SuiteConfig(name="s", seeds=(7,), baseline="c", experiments=suite.experiments)


def test_sections_that_are_null_are_not_written() -> None:
    """So that the config of a run without them is the text that it always was."""
    text = parse_suite(SUITE).to_yaml()
    assert not any(section in text for section in ALL)


def test_an_experiment_may_leave_out_what_the_others_share(parse: Callable[..., SuiteConfig]) -> None:
    experiments = {"a": {"start_from": None}, "b": {}, "c": {"start_from.heads": True}}
    suite = parse_suite(SUITE | {"start_from": {"run": "a"}, "experiments": experiments})
    assert [each.start_from and each.start_from.heads for each in suite.experiments.values()] == [
        None,
        False,
        True,
    ]
    assert parse_suite(parse_yaml(suite.to_yaml())).experiments == suite.experiments
