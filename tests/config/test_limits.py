"""What would take for ever, or all memory, is refused with its number."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from cnnlib.config import ConfigError, SuiteConfig, load_suite, until_decided
from cnnlib.config.errors import Problem
from cnnlib.types import CnnlibError
from tests.config.conftest import Net

Parse = Callable[..., SuiteConfig]


def test_a_grid_that_nobody_can_run_is_refused(parse: Parse, suite: dict[str, Any]) -> None:
    suite["grid"] = {f"dataset.{key}": list(range(100)) for key in ("size", "root", "repeat", "folds")}
    suite["experiments"] = {"a": {}, "b": {}}
    with pytest.raises(
        ConfigError,
        match=r"grid: a suite has at most 10,000 experiments; these would be 200,000,000 \(100,000,000 points",
    ):
        parse(suite)


def test_points_of_a_grid_share_what_they_do_not_change(parse: Parse, suite: dict[str, Any]) -> None:
    """The model, which takes most of the time, is built once for each that differs."""
    suite["model"] = {"name": "net"}
    suite["grid"] = {
        "dataset.size": list(range(1, 21)),
        "optimizer.learning_rate": [0.1, 0.2, 0.3],
        "model.copy": [False, True],
    }
    with patch.object(Net, "__init__", autospec=True, side_effect=Net.__init__) as built:
        found = parse(suite)
    assert len(found.experiments) == 120
    assert built.call_count == 2
    assert {each.optimizer.options["learning_rate"] for each in found.experiments.values()} == {0.1, 0.2, 0.3}


def test_runs_that_nobody_can_wait_for_are_refused(parse: Parse, suite: dict[str, Any]) -> None:
    suite |= {"seeds": list(range(60)), "grid": {"dataset.size": list(range(1, 2001))}}
    with pytest.raises(ConfigError, match=r"seeds: a suite has at most 100,000 runs; 2,000 .* are 120,000"):
        parse(suite)
    suite |= {"seeds": [0, 1], "grid": {"dataset.size": [1, 2]}}
    with pytest.raises(CnnlibError, match="--max-seeds 1000000000: a suite has at most 100,000 runs"):
        until_decided(parse(suite), 10**9)


def test_a_long_chain_of_parents_is_refused(parse: Parse, suite: dict[str, Any]) -> None:
    suite["experiments"] = {"e0": {}} | {f"e{i}": {"start_from.run": f"e{i - 1}"} for i in range(1, 2000)}
    with pytest.raises(ConfigError, match="leads through more than 100 experiments"):
        parse(suite)


def test_thousands_of_unknown_parents_are_looked_up_once(parse: Parse, suite: dict[str, Any]) -> None:
    suite["experiments"] = {f"e{index}": {"start_from.run": f"x{index % 500}"} for index in range(3000)}
    with (
        patch("cnnlib.lookup.did_you_mean", autospec=True, return_value="") as near,
        pytest.raises(
            ConfigError, match=r"trial.yaml: 3000 problems\n.*no experiment is named 'x0'"
        ) as caught,
    ):
        parse(suite)
    assert near.call_count <= 2 * 500  # once more for what an override may have brought
    assert sum(len(list(call.args[1])) for call in near.call_args_list) <= 2 * 10 * 3000
    assert str(caught.value).endswith("and 2950 more")
    assert "no experiment is named 'x40'; a folder is written" in str(caught.value)
    assert len(str(caught.value)) < 20_000


def test_an_endless_key_path_is_refused(parse: Parse, suite: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="a key path has at most 50 parts; this one has 100000"):
        parse(suite, ".".join(["a"] * 100_000) + "=1")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda path: os.mkfifo(path), "must be a regular file; it is a device, a pipe or a socket"),
        (lambda path: path.symlink_to("/dev/zero"), "must be a regular file"),
        (lambda path: path.mkdir(), "Is a directory"),
        (lambda path: path.symlink_to(path), "Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b"\xff"), "is not UTF-8 text: byte 0 cannot be read"),
        (lambda path: path.write_text("name: a\nname: b\n"), "the key 'name' stands twice"),
        (lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_RDWR), 10**10), "has 10,000,000,000 bytes"),
    ],
    ids=["pipe", "device", "folder", "loop", "latin-1", "twice", "10 GB"],
)
def test_what_is_no_file_of_text_is_refused(tmp_path: Path, make: Callable[[Path], Any], text: str) -> None:
    make(tmp_path / "suite.yaml")
    with pytest.raises(ConfigError, match=text):
        load_suite(tmp_path / "suite.yaml")


def test_a_nul_in_a_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="null byte"):
        load_suite(tmp_path / "a\0b.yaml")


@pytest.mark.parametrize(
    "text", [".nan", "-.inf", "1" + "0" * 400, "1e400"], ids=["nan", "inf", "400 digits", "1e400"]
)
def test_numbers_that_are_none_are_refused_by_key(parse: Parse, suite: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.learning_rate: must be"):
        parse(suite, f"optimizer.learning_rate={text}")


def test_the_message_is_short_however_many_and_long_the_problems_are() -> None:
    problems = [Problem("a", "x" * 5_000, f"experiment {number}") for number in range(40)]
    shown = str(ConfigError("suite.yaml", problems))
    assert len(shown) < 20_000
    head, *lines, rest = shown.splitlines()
    assert head == "suite.yaml: 40 problems"
    assert rest == f"  and {40 - len(lines)} more"
    assert all(line.endswith(f"[experiment {number}]") for number, line in enumerate(lines))
