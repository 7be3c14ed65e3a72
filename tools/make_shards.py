"""Writes the data set of a config as tar shards, which the data set ``shards`` reads.

python tools/make_shards.py configs/l1_depth.yaml --out shards/l1_depth
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line("the same command goes on from here")

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from cnnlib.config import build, load_suite
from cnnlib.config.command_line import add_config, chosen_experiment, positive
from cnnlib.datasets import DATASETS, Shards
from cnnlib.datasets.file_states import files_digest
from cnnlib.datasets.shards.members import ImageFormat
from cnnlib.datasets.shards.writer import write_shards
from cnnlib.types import CnnlibError, Split
from cnnlib.workers import usable_cores


def main(arguments: list[str] | None = None) -> int:
    """0: all shards are there; 2: the config, the data or an argument is at fault."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_config(parser)
    parser.add_argument("--experiment", help="whose data set (the baseline's)")
    parser.add_argument("--out", type=Path, required=True, help="the folder of the shards")
    parser.add_argument("--samples-per-shard", type=positive, default=1000, metavar="N", help="(1000)")
    parser.add_argument(
        "--image-format",
        choices=get_args(ImageFormat),
        default="png",
        help="of the pictures; webp is smaller and slower to write, jpg smaller still and not lossless (png)",
    )
    parser.add_argument(
        "--jobs", type=positive, default=usable_cores(), help="processes that write (one per core)"
    )
    options = parser.parse_args(arguments)
    try:
        made = make(
            options.config,
            options.overrides,
            options.experiment,
            options.out,
            options.samples_per_shard,
            options.image_format,
            options.jobs,
        )
        data = Shards(str(options.out))
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    counts = ", ".join(f"{part} {len(data.split(part))}" for part in get_args(Split))
    print(f"{made} shards written; samples: {counts}")
    print(f"dataset: {{name: shards, root: {options.out}}}")
    return 0


def make(
    path: Path,
    overrides: Sequence[str],
    experiment: str | None,
    out: Path,
    samples_per_shard: int,
    image_format: ImageFormat,
    jobs: int,
) -> int:
    """The number of shards that were not there before."""
    suite = load_suite(path, overrides)
    experiment = chosen_experiment(suite, experiment)
    dataset = suite.experiments[experiment].dataset
    source = build(dataset, DATASETS)
    written = dataset.model_dump(mode="json")
    made_from = {
        "dataset": {key: written[key] for key in ("name", *dataset.options)},  # without folds and the like
        "files_of_options": files_digest(dataset.options, without=out),
    }
    return write_shards(source, out, made_from, samples_per_shard, image_format, jobs)


if __name__ == "__main__":
    sys.exit(main())
