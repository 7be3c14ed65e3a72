"""Draws a tiny subset of a config's data set in folders: the same layout, with every split's and class's share.

python tools/make_tiny.py configs/mine.yaml --share 0.1 --out data/tiny
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import argparse
import sys
from pathlib import Path

from cnnlib.config import build, load_suite
from cnnlib.config.command_line import add_config, positive
from cnnlib.datasets import DATASETS
from cnnlib.datasets.tiny import write_tiny
from cnnlib.types import CnnlibError


def main(arguments: list[str] | None = None) -> int:
    """0: the subset is there; 2: the config, the data or an argument is at fault."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_config(parser)
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument("--count", type=positive, help="samples")
    size.add_argument("--share", type=_share, help="of all samples, above 0 and below 1")
    parser.add_argument("--seed", type=_seed, default=0, help="which samples (0)")
    parser.add_argument(
        "--link",
        choices=["copy", "hard", "symbolic"],
        default="copy",
        help="whether files are copied, or links to those of the data set (copy)",
    )
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    options = parser.parse_args(arguments)
    try:
        suite = load_suite(options.config, options.overrides)
        dataset = suite.experiments[suite.baseline].dataset
        size = options.count or options.share
        counts = write_tiny(
            build(dataset, DATASETS), dataset.options, size, options.seed, options.out, options.link
        )
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    parts = ", ".join(f"{part} {count}" for part, count in counts.items())
    print(
        f"{options.out}: {counts.total()} samples ({parts}); use them with --set dataset.root={options.out}"
    )
    return 0


def _seed(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"must not be negative; it is {value}")
    return value


def _share(text: str) -> float:
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and below 1; it is {value}")
    return value


if __name__ == "__main__":
    sys.exit(main())
