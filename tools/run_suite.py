"""Runs every experiment of a suite and compares them.

python tools/run_suite.py configs/l1_depth.yaml
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line("the same command goes on from here")

import argparse
import sys
from pathlib import Path

from cnnlib.config import load_suite, until_decided
from cnnlib.config.command_line import add_config, positive
from cnnlib.reporting.console import print_forecast, print_results
from cnnlib.suite import forecast_suite, run_suite
from cnnlib.types import CnnlibError


def main(arguments: list[str] | None = None) -> int:
    """0: all runs finished; 1: something failed; 2: the config or the data is at fault."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_config(parser)
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where the suite's folder goes (runs)")
    parser.add_argument("--jobs", type=positive, default=1, help="runs at a time (1)")
    parser.add_argument("--overwrite", action="store_true", help="run again what is finished")
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with unfinished runs where they were interrupted, or from their start (go on)",
    )
    parser.add_argument("--fail-fast", action="store_true", help="stop at the first failure")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only list what would run, and for how long, after short trials",
    )
    parser.add_argument(
        "--until",
        choices=["decided"],
        help="add seeds, one at a time, to what is compared and not decided, and count the looks in the verdicts",
    )
    parser.add_argument("--max-seeds", type=positive, help="with --until decided: seeds in all, at most (10)")
    options = parser.parse_args(arguments)
    if options.max_seeds and not options.until:
        parser.error("--max-seeds goes with --until decided")
    try:
        suite = load_suite(options.config, options.overrides)
        if options.until:
            suite = until_decided(suite, options.max_seeds or 10)
        if options.dry_run:
            forecasts = forecast_suite(
                suite, options.out, jobs=options.jobs, overwrite=options.overwrite, resume=options.resume
            )
            print_forecast(forecasts, options.jobs, at_most=suite.first_seeds is not None)
            return 0
        results = run_suite(
            suite,
            options.out,
            jobs=options.jobs,
            overwrite=options.overwrite,
            resume=options.resume,
            fail_fast=options.fail_fast,
        )
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print_results(results)
    return 1 if results.unfinished else 0


if __name__ == "__main__":
    sys.exit(main())
