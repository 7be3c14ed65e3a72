"""Writes composites to disk in the journal's layout, which the data set fg_bg reads; goes on where it was stopped.

python tools/make_dataset.py experiments/data_leak/data_leak.yaml --out data/composites --range 0:4000 --jobs 2
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line("the same command goes on from here")

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from cnnlib.config import ExperimentConfig, load_suite
from cnnlib.config.command_line import add_config, positive
from cnnlib.datasets import DATASETS
from cnnlib.datasets.composites.write import write_composites
from cnnlib.progress import shown
from cnnlib.types import CnnlibError


def main(arguments: list[str] | None = None) -> int:
    """0: all is written; 2: the config, a picture or the folder is at fault; 130: stopped, and may go on."""
    options = _parser().parse_args(arguments)
    try:
        suite = load_suite(options.config, options.overrides)
        _write(suite.experiments[suite.baseline], options)
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_config(parser)
    parser.add_argument("--out", type=Path, required=True, help="the folder that they are written to")
    parser.add_argument("--range", type=_range, metavar="FIRST:END", help="numbers of samples (all)")
    parser.add_argument(
        "--picture", choices=("jpg", "png"), default="jpg", help="of composites and backgrounds (jpg)"
    )
    parser.add_argument("--jobs", type=positive, default=1, help="processes (1)")
    return parser


def _range(text: str) -> tuple[int, int]:
    first, colon, end = text.partition(":")
    if not (colon and first.isdecimal() and end.isdecimal() and int(first) < int(end)):
        raise argparse.ArgumentTypeError(f"must be two ascending numbers such as 0:1000; it is {text!r}")
    return int(first), int(end)


def _write(config: ExperimentConfig, options: argparse.Namespace) -> None:
    if config.dataset.name != "composite":
        raise CnnlibError(f"the config's dataset must be composite; it is {config.dataset.name}")
    count = len(DATASETS["composite"](**config.dataset.options))
    indices = _chosen(count, options.range)
    written = write_composites(config.dataset.options, indices, options.out, options.picture, options.jobs)
    for _ in shown((one for done in written for one in range(done)), "writing composites", len(indices)):
        pass
    print(options.out)


def _chosen(count: int, given: tuple[int, int] | None) -> Sequence[int]:
    first, end = given or (0, count)
    if end > count:
        raise CnnlibError(f"--range {first}:{end}: there are {count} samples; give an end of at most {count}")
    return range(first, end)


if __name__ == "__main__":
    sys.exit(main())
