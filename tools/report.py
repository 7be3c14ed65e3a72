"""Writes a finished suite's report.html, tables and TensorBoard layout again, from the files in its folder.

python tools/report.py runs/joint_l1_l1
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import argparse
import sys
from pathlib import Path

from cnnlib.config.command_line import add_no_outside_code
from cnnlib.reporting.results import read_suite
from cnnlib.reporting.suite_files import write_suite_files
from cnnlib.types import CnnlibError


def main(arguments: list[str] | None = None) -> int:
    """0: every report was written; 2: a folder holds no suite, or a damaged one."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_no_outside_code(parser)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUNS", help="suites' folders: runs/<suite>")
    options = parser.parse_args(arguments)
    try:
        for folder in options.runs:
            suite = read_suite(folder)
            print(write_suite_files(suite))
            for line in suite.missing:
                print(f"note: {line}", file=sys.stderr)
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
