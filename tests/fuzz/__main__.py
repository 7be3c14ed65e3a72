"""Hostile input of all sorts: each case must be read, or refused with an error for people, in bounded time and memory.

python -m tests.fuzz --count 10000
python -m tests.fuzz configs --count 1 --first 4711   # one case again
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # a process that forks must have one thread

from tests.fuzz.annotations import Annotations
from tests.fuzz.configs import Configs
from tests.fuzz.data_sets import DataSets
from tests.fuzz.harness import Part, report, run_cases
from tests.fuzz.pictures import Pictures
from tests.fuzz.runs import Runs

PARTS: dict[str, Callable[[], Part]] = {
    "configs": Configs,
    "annotations": Annotations,
    "pictures": Pictures,
    "runs": Runs,
    "data_sets": DataSets,
}


def main(arguments: list[str] | None = None) -> int:
    """0: nothing fell; 1: something did."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (all)")
    parser.add_argument("--count", type=int, default=1000, help="cases of each part (1000)")
    parser.add_argument("--first", type=int, default=0, help="the number of the first (0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time (1)")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    fell = False
    for name in options.parts or PARTS:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            outcome = run_cases(
                PARTS[name](), Path(folder), options.count, options.seed, options.jobs, options.first
            )
        report(name, outcome, time.monotonic() - began)
        fell = fell or bool(outcome.falls)
    return int(fell)


if __name__ == "__main__":
    sys.exit(main())
