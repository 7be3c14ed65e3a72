"""The engine against Lightning's Trainer: one net, the same data, batches and precision."""

from __future__ import annotations

import argparse
import gc
import importlib
import math
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from scipy.stats import t as student

from cnnlib.assembly import resolve_precision
from cnnlib.config.command_line import positive
from cnnlib.types import CnnlibError
from tools.benchmarks import with_engine
from tools.benchmarks.recipe import Finished, Recipe
from tools.benchmarks.timing import machine

LIGHTNING, ENGINE = "Lightning", "cnnlib"
BOTH = """\
Both: BCE, AdamW, one cycle, no augmentation; a worker process for training and one for validation; images standardized
in the net; the epoch's mean loss logged, no logger and no progress bar. After every epoch: one validation (loss, IoU),
and checkpoints of the last epoch and of the best. Speed: whole epochs with all of this, but for each run's first."""
PLAIN = "Lightning's script is plain, NCHW with AdamW as it comes; the engine has channels_last and a fused AdamW."
TUNED = "Both have channels_last and a fused AdamW."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_lightning)
    parser.add_argument("--size", type=positive, default=64, help="image side (64)")
    parser.add_argument("--train", type=positive, default=640, help="training images (640)")
    parser.add_argument("--val", type=positive, default=100, help="validation images (100)")
    parser.add_argument("--batch-size", type=positive, default=16)
    parser.add_argument(
        "--epochs", type=_several, default=4, help="epochs per run; the first is not timed (4)"
    )
    parser.add_argument("--seeds", type=_several, default=3, help="runs of each, in turns (3)")
    parser.add_argument("--precision", choices=["auto", "32-true", "bf16-mixed"], default="auto")
    parser.add_argument("--tuned", action="store_true", help="Lightning's script as fast as torch lets it")


def _several(text: str) -> int:
    value = int(text)
    if value < 2:
        raise argparse.ArgumentTypeError(f"must be at least 2; it is {value}")
    return value


def _lightning(options: argparse.Namespace) -> None:
    precision = resolve_precision(options.precision)
    recipe = Recipe(options.size, options.train, options.val, options.batch_size, options.epochs, precision)
    ways = {LIGHTNING: partial(_lightning_script(), tuned=options.tuned), ENGINE: with_engine.train}
    print(
        f"Unet-resnet18, scenes of {recipe.size} x {recipe.size}, {recipe.train} in batches of "
        f"{recipe.batch_size}, {recipe.epochs} epochs, {precision}, {machine()}"
    )
    print(BOTH, TUNED if options.tuned else PLAIN, sep="\n", end="\n\n")
    print(
        " " * 8 + "".join(f"{name:>{len(name) + 2}} {'images/s':>8} {'IoU':>6}" for name in ways) + "   ratio"
    )
    pairs = []
    for seed, pair in enumerate(_in_turns(ways, recipe, options.seeds)):
        row = "".join(
            f"{'':{len(name) + 2}} {recipe.images / run.seconds_per_epoch:8.1f} {run.iou:6.4f}"
            for name, run in pair.items()
        )
        print(f"seed {seed:<3}{row}   {_ratio(pair):5.2f}", flush=True)
        pairs.append(pair)
    print("", *conclusions(pairs), sep="\n")


def _lightning_script() -> Callable[..., Finished]:
    try:
        return importlib.import_module("tools.benchmarks.with_lightning").train
    except ModuleNotFoundError as error:
        raise CnnlibError(
            f"this needs Lightning's Trainer: pip install pytorch-lightning ({error})"
        ) from None


def _in_turns(
    ways: Mapping[str, Callable[..., Finished]], recipe: Recipe, seeds: int
) -> Iterator[dict[str, Finished]]:
    """A run of each way for each seed, so that a machine that slows down slows both; the other first in odd seeds."""
    for seed in range(seeds):
        order = list(ways) if seed % 2 == 0 else list(reversed(ways))
        runs = {}
        for name in order:
            with tempfile.TemporaryDirectory() as folder:
                runs[name] = ways[name](recipe, seed, Path(folder))
            gc.collect()  # the workers of its loaders end
        yield {name: runs[name] for name in ways}


def _ratio(pair: Mapping[str, Finished]) -> float:
    return pair[LIGHTNING].seconds_per_epoch / pair[ENGINE].seconds_per_epoch


def conclusions(pairs: Sequence[Mapping[str, Finished]]) -> Iterator[str]:
    """Parameters, the median ratio of speeds, and whether the IoUs differ by more than seeds explain.

    Args:
        pairs: for each seed a run of each way.
    """
    counts = {name: f"{run.parameters:,}" for name, run in pairs[0].items()}
    if counts[LIGHTNING] == counts[ENGINE]:
        yield f"parameters: {counts[ENGINE]} in both"
    else:
        yield f"parameters: {counts[LIGHTNING]} in Lightning's and {counts[ENGINE]} in ours: not one net"
    yield f"trainer ratio {statistics.median(map(_ratio, pairs)):.2f} (median over the seeds; above 1 cnnlib is faster)"
    scores = {name: [pair[name].iou for pair in pairs] for name in counts}
    for name, values in scores.items():
        yield f"{name:9} IoU {statistics.mean(values):.4f}, standard deviation {statistics.stdev(values):.4f}"
    difference, margin = difference_of_means(scores[ENGINE], scores[LIGHTNING])
    verdict = "within" if abs(difference) <= margin else "beyond"
    yield f"difference {difference:+.4f}, {verdict} the margin of error of so many seeds, {margin:.4f} (95 %)"


def difference_of_means(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Of two samples of one length, and its margin of error at 95 % by Student's t-test with a common variance."""
    count = len(one)
    variance = (statistics.variance(one) + statistics.variance(other)) / 2
    margin = student.ppf(0.975, 2 * count - 2) * math.sqrt(2 * variance / count)
    return statistics.mean(one) - statistics.mean(other), float(margin)
