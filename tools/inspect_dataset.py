"""Looks at the data of a config: a row for each sample, statistics, copies, problems, and a page of it all.

python tools/inspect_dataset.py configs/facial_keypoints.yaml --out inspected
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import argparse
import sys
from pathlib import Path

from cnnlib.config import load_suite
from cnnlib.config.command_line import add_config, chosen_experiment, positive
from cnnlib.inspection import command_line, inspect_dataset
from cnnlib.types import CnnlibError


def main(arguments: list[str] | None = None) -> int:
    """0: nothing is wrong with the data; 1: the page names problems; 2: the config is at fault, or all of the data."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_config(parser)
    parser.add_argument("--experiment", help="whose data set (the baseline's)")
    parser.add_argument(
        "--out", type=Path, default=Path("inspected"), help="the folder of the page and the table (inspected)"
    )
    parser.add_argument("--samples", type=positive, default=24, help="on the picture (24)")
    options = parser.parse_args(arguments)
    try:
        suite = load_suite(options.config, options.overrides)
        experiment = chosen_experiment(suite, options.experiment)
        command = command_line("tools/inspect_dataset.py", options.config, options.overrides, options.out)
        config = suite.experiments[experiment]
        title = f"{suite.name}: {config.dataset.name}"
        problems = inspect_dataset(config, suite.seeds[0], options.out, title, command, options.samples)
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{options.out / 'index.html'}: {len(problems) or 'no'} problem{'' if len(problems) == 1 else 's'}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
