"""Shows a suite's results beside the published ones that its config is to be held against.

python tools/compare_published.py runs/nyuv2_hps
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import argparse
import sys
from pathlib import Path

from cnnlib.config.command_line import add_no_outside_code
from cnnlib.reporting.published import comparison_lines, read_published
from cnnlib.reporting.results import read_suite
from cnnlib.types import CnnlibError

_TABLES = Path(__file__).parent.parent / "experiments" / "published"


def main(arguments: list[str] | None = None) -> int:
    """0: shown; 2: a folder that holds no suite or a damaged one, or a table that does not fit it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", type=Path, metavar="RUNS", help="the suite's folder: runs/<suite>")
    parser.add_argument(
        "--table", type=Path, help="a CSV file (experiments/published/<suite>.csv); see the README beside it"
    )
    add_no_outside_code(parser)
    options = parser.parse_args(arguments)
    try:
        suite = read_suite(options.runs)
        table = options.table or _TABLES / f"{suite.name}.csv"
        print("\n".join(comparison_lines(suite, read_published(table))))
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
