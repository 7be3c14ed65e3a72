"""Shows which experiments started from which, what changed on the way, and what that brought.

python tools/lineage.py runs/detector_journal
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import argparse
import sys
from pathlib import Path

from cnnlib.config.command_line import add_no_outside_code
from cnnlib.reporting.lineage_tree import print_lineage
from cnnlib.reporting.read_lineage import read_lineage
from cnnlib.types import CnnlibError


def main(arguments: list[str] | None = None) -> int:
    """0: the tree was shown; 2: the folder holds no finished runs, or a damaged file, or no run has the metric."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, metavar="RUNS", help="a suite's folder, or one that holds suites")
    parser.add_argument(
        "--metric", metavar="TASK/METRIC", help="show this one (those that runs are ranked by)"
    )
    add_no_outside_code(parser)
    options = parser.parse_args(arguments)
    try:
        print_lineage(read_lineage(options.runs), options.metric)
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
