"""Arguments that the tools have in common."""

from __future__ import annotations

import argparse
from pathlib import Path

from cnnlib.config.schema import SuiteConfig
from cnnlib.lookup import refuse_outside_code, unknown
from cnnlib.types import CnnlibError


def add_config(parser: argparse.ArgumentParser) -> None:
    """``config`` and ``overrides``, as ``load_suite`` takes them, and ``--no-outside-code``."""
    add_no_outside_code(parser)
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


def add_no_outside_code(parser: argparse.ArgumentParser) -> None:
    """``--no-outside-code``, for whatever reads a configuration, also that of a finished run."""
    parser.add_argument(
        "--no-outside-code",
        action=_RefuseOutsideCode,
        nargs=0,
        help="refuse names with a dot, for which a config imports code that is not the library's",
    )


class _RefuseOutsideCode(argparse.Action):
    def __call__(self, *_: object) -> None:
        refuse_outside_code()


def positive(text: str) -> int:
    """The type of an argument that is at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; it is {value}")
    return value
