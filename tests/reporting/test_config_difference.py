"""The words for what two configurations differ in."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.config import load_suite, to_yaml
from cnnlib.reporting.config_difference import difference_words

CONFIGS = Path(__file__).parents[2] / "configs"


def read(text: str) -> dict[str, Any]:
    return yaml.load(text, yaml.BaseLoader)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            "optimizer: {name: adam, learning_rate: 0.001}",
            "optimizer: {name: adam, learning_rate: 1e-4}",
            ["learning rate 0.001 -> 0.0001"],
        ),
        (
            "optimizer: {name: adam, learning_rate: 1}",
            "optimizer: {name: sgd, learning_rate: 2}",
            ["optimizer adam {learning_rate: 1} -> sgd {learning_rate: 2}"],
        ),
        (
            "optimizer: {name: adam, learning_rate: 1}",
            "optimizer: {name: sgd, learning_rate: 1, momentum: 0.9}",
            ["optimizer adam -> sgd {momentum: 0.9}"],
        ),
        (
            "model: {name: detector, head: heavy}",
            "model: {name: detector, head: light}",
            ["model option head heavy -> light"],
        ),
        (
            "training: {epochs: 10, clip_norm: null}",
            "training: {epochs: 20, clip_norm: 1.0}",
            ["epochs 10 -> 20", "clip norm null -> 1"],
        ),
        (
            "tasks: {box: {name: box, weight: 75}}",
            "tasks: {box: {name: box, weight: 100.0}}",
            ["loss weight of box 75 -> 100"],
        ),
        (
            "tasks: {box: {name: box, decoding: a}}",
            "tasks: {box: {name: box, decoding: b}}",
            ["decoding of box a -> b"],
        ),
        (
            "tasks: {box: {loss: [{name: l1, weight: 1}]}}",
            "tasks: {box: {loss: [{name: l1, weight: 2}]}}",
            ["loss weight of box (l1) 1 -> 2"],
        ),
        (
            "tasks: {box: {loss: [{name: l1, beta: 1}]}}",
            "tasks: {box: {loss: [{name: l1, beta: 2}]}}",
            ["beta of l1 (loss of box) 1 -> 2"],
        ),
        (
            "tasks: {box: {loss: [{name: l1, weight: 1}]}}",
            "tasks: {box: {loss: [{name: giou, weight: 1}]}}",
            ["loss of box l1 -> giou"],
        ),
        (
            "tasks: {box: {name: box}}",
            "tasks: {box: {name: box}, depth: {name: depth, weight: 2}}",
            ["tasks: added depth {weight: 2}"],
        ),
        (
            "freeze: {trained_stages: 0, unfreeze: []}",
            "freeze: {trained_stages: 2, unfreeze: []}",
            ["trained encoder stages 0 -> 2"],
        ),
        ("{}", "freeze: {trained_stages: 2, unfreeze: []}", ["trained encoder stages all -> 2"]),
        ("freeze: {trained_stages: 2, unfreeze: []}", "{}", ["trained encoder stages 2 -> all"]),
        (
            "freeze: {unfreeze: []}",
            "freeze: {unfreeze: [{epoch: 5}]}",
            ["unfreezing by epoch [] -> [{epoch: 5}]"],
        ),
        (
            "{}",
            "learning_rate_factors: {encoder: 0.1, decoders: 1.0, heads: 1.0, per_stage: 1.0}",
            ["learning rate factors: encoder 1 -> 0.1"],
        ),
        (
            "augmentations: []",
            "augmentations: [{name: rotate, degrees: 10}]",
            ["augmentations: added rotate {degrees: 10}"],
        ),
        (
            "augmentations: [{name: flip}, {name: rotate}]",
            "augmentations: [{name: rotate}]",
            ["augmentations: removed flip"],
        ),
        (
            "augmentations: [{name: flip}, {name: crop, to: 2}]",
            "augmentations: [{name: crop, to: 2}, {name: flip}]",
            ["augmentations in another order: crop, flip"],
        ),
        (
            "augmentations: [{name: crop, to: 2}]",
            "augmentations: [{name: crop, to: 3}]",
            ["to of crop 2 -> 3"],
        ),
        (
            "augmentations: [{name: crop, to: 2}]",
            "augmentations: [{name: crop, to: 2}, {name: crop, to: 2}]",
            ["augmentations: added crop (2) {to: 2}"],
        ),
        (
            "dataset: {name: scenes, size: [64, 64]}",
            "dataset: {name: scenes, size: [64, 96]}",
            ["dataset: size [64, 64] -> [64, 96]"],
        ),
        ("dataset: {name: scenes}", "dataset: {name: scenes, folds: 5}", ["dataset: folds unset -> 5"]),
        ("model: {name: 'a', of: ''}", "model: {name: 'a', of: b}", ["model option of '' -> b"]),
        ("tasks: {name: {name: label, weight: 1}}", "tasks: {name: {name: label, weight: 2}}", None),
    ],
)
def test_words(old: str, new: str, words: list[str] | None) -> None:
    found = difference_words(read(old), read(new))
    assert (
        found == words if words is not None else found
    )  # a task may be called "name", and be told less well


@pytest.mark.parametrize(
    ("one", "other"), [("100", "100.0"), ("1e-3", "0.001"), ("1e2", "100"), ("-0.5", "-.5")]
)
def test_a_number_may_be_written_in_several_ways(one: str, other: str) -> None:
    assert difference_words({"optimizer": {"rate": one}}, {"optimizer": {"rate": other}}) == []


NUMBERS = st.integers(1000, 9999).map(str)
KEYS = st.sampled_from(["size", "weight", "learning_rate", "epochs"])
VALUES = st.recursive(
    NUMBERS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2)
)


@st.composite
def components(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "name": draw(st.sampled_from(["alpha", "beta", "gamma"])),
        **draw(st.dictionaries(KEYS, VALUES, max_size=3)),
    }


SECTIONS = st.fixed_dictionaries(
    {},
    optional={
        "model": components(),
        "optimizer": components(),
        "training": st.dictionaries(KEYS, VALUES),
        "augmentations": st.lists(components(), max_size=4),
        "tasks": st.dictionaries(st.sampled_from(["mask", "box"]), components()),
        "freeze": st.fixed_dictionaries({"trained_stages": NUMBERS, "unfreeze": st.lists(VALUES, max_size=2)}),
        "a_new_section": VALUES,
    },
)  # fmt: skip


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    else:
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)


@given(SECTIONS, SECTIONS)
def test_every_value_that_only_one_side_has_is_mentioned(old: dict[str, Any], new: dict[str, Any]) -> None:
    words = "\n".join(difference_words(old, new))
    only = set(leaves(old)) ^ set(leaves(new))
    assert {leaf for leaf in only if leaf not in words} == set()


@given(SECTIONS, SECTIONS)
def test_no_words_are_said_of_equals_and_some_of_others(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert difference_words(old, old) == []
    assert (difference_words(old, new) == []) == (old == new)


def test_the_experiments_of_a_real_suite_differ() -> None:
    texts = [
        to_yaml(config, suite.name, name, 0)
        for suite in map(load_suite, [CONFIGS / "phone_locator.yaml", CONFIGS / "joint_weights.yaml"])
        for name, config in suite.experiments.items()
    ]
    assert len(texts) > 4
    for one, other in pairwise(map(read, texts)):
        assert difference_words(one, one) == []
        assert difference_words(one, other)
        assert all(len(words.splitlines()) == 1 for words in difference_words(one, other))
