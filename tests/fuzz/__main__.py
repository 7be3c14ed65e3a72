"""Hostile input of all sorts: each case must be read, or refused with an error for people, in bounded time and memory.

python -m tests.fuzz --count 10000 --jobs 2           # 10,000 configs and 5,000 files
python -m tests.fuzz pictures --count 500             # of one sort
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
from tests.fuzz.harness import Part, run_cases
from tests.fuzz.pictures import Pictures
from tests.fuzz.runs import Runs
from tests.fuzz.shares import counts_of

PARTS: dict[str, Callable[[], Part]] = {
    "configs": Configs,
    "annotations": Annotations,
    "pictures": Pictures,
    "data_sets": DataSets,
    "runs": Runs,
}


def main(arguments: list[str] | None = None) -> int:
    """0: nothing failed; 1: something did."""
    parser = argparse.ArgumentParser(
        description=__doc__.partition("\n")[0],
        epilog="Without PART, N configs are tried and N/2 damaged files: of annotations, pictures, data sets and runs.",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}: N cases of each")
    parser.add_argument("--count", type=int, default=1000, metavar="N", help="1000 unless given")
    parser.add_argument("--first", type=int, default=0, help="the number of the first case of each part (0)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time (1)")
    options = parser.parse_args(arguments)
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    if min(options.count, options.jobs) < 1:
        parser.error("--count and --jobs must be at least 1")
    counts = dict.fromkeys(options.parts, options.count) or counts_of(options.count)
    totals, failed = [], False
    for name, count in counts.items():
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            outcome = run_cases(PARTS[name](), Path(folder), count, options.seed, options.jobs, options.first)
        print(name, *outcome.lines(), sep="\n", flush=True)
        totals.append(f"{name}: {outcome.total} ({time.monotonic() - began:.0f} s)")
        failed = failed or bool(outcome.failures)
    print("", *totals, sep="\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
