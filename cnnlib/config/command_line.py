"""Arguments that the tools have in common."""

from __future__ import annotations

import argparse
from pathlib import Path

from cnnlib.config.schema import SuiteConfig
from cnnlib.lookup import unknown
from cnnlib.types import CnnlibError


def add_config(parser: argparse.ArgumentParser) -> None:
    """``config`` and ``overrides``, as ``load_suite`` takes them."""
    parser.add_argument("config", type=Path, help="a suite's YAML file")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY.PATH=VALUE",
        help="change a value",
    )


def chosen_experiment(suite: SuiteConfig, name: str | None) -> str:
    """``name``, or the baseline's; raises ``CnnlibError`` where the suite has no such experiment."""
    name = name or suite.baseline
    if name not in suite.experiments:
        raise CnnlibError(unknown("experiment", name, suite.experiments))
    return name


def positive(text: str) -> int:
    """The type of an argument that is at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; it is {value}")
    return value
