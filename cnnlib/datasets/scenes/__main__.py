"""``python -m cnnlib.datasets.scenes OUT.png`` draws a contact sheet of the embedded data set."""

from __future__ import annotations

import argparse
from pathlib import Path

from cnnlib.datasets.scenes.contact_sheet import contact_sheet
from cnnlib.datasets.scenes.render import SPLITS
from cnnlib.types import CnnlibError


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cnnlib.datasets.scenes", description=__doc__)
    parser.add_argument("out", type=Path, help="the PNG to write")
    parser.add_argument("--count", type=int, default=8, help="number of scenes (default: 8)")
    parser.add_argument("--size", type=int, default=160, help="pixels a side (default: 160)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", choices=SPLITS, default="train")
    arguments = parser.parse_args()
    try:
        sheet = contact_sheet(arguments.count, arguments.size, arguments.seed, arguments.split)
        sheet.save(arguments.out)
    except (CnnlibError, OSError, ValueError) as error:  # ValueError: not the ending of a picture file
        parser.error(str(error))


if __name__ == "__main__":
    main()
