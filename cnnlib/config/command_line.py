"""Arguments that the tools have in common."""

from __future__ import annotations

import argparse
from pathlib import Path


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


def positive(text: str) -> int:
    """The type of an argument that is at least 1."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1; it is {value}")
    return value
