"""The finished suite that a study's script is given on its command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from cnnlib.reporting.results import SuiteResults, read_suite
from cnnlib.types import CnnlibError


def study_parser(description: str | None) -> argparse.ArgumentParser:
    """With the suite's folder as its first argument; ``description`` is the script's docstring."""
    parser = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    parser.add_argument("suite", type=Path, help="the finished suite's folder")
    return parser


def finished_suite(folder: Path, experiments: Sequence[str] = ()) -> SuiteResults:
    """The suite; ends the program with exit code 2 and a message where there is none, or one of ``experiments`` has no
    finished run.
    """
    try:
        suite = read_suite(folder)
    except CnnlibError as error:
        stop(str(error))
    if missing := [name for name in experiments if name not in suite.finished]:
        stop(f"{folder}: no finished run of {', '.join(missing)}")
    return suite


def stop(message: str) -> NoReturn:
    """Ends the program with exit code 2."""
    print(f"error: {message}", file=sys.stderr)
    raise SystemExit(2)
