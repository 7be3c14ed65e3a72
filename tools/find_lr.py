"""Finds a learning rate by a range test, on a model of its own: no run and no weights are touched.

python tools/find_lr.py configs/scenes_all.yaml --out lr.png
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import argparse
import sys
from functools import partial
from pathlib import Path

from cnnlib.assembly import find_learning_rate, open_data
from cnnlib.config import load_suite
from cnnlib.config.command_line import add_config, chosen_experiment
from cnnlib.engine.lr_finder import RangeTest
from cnnlib.parents import read_parent
from cnnlib.runs import plan
from cnnlib.types import CnnlibError


def main(arguments: list[str] | None = None) -> int:
    """0: a rate was found; 2: the config, the data or the model is at fault."""
    options = _parser().parse_args(arguments)
    try:
        suite = load_suite(options.config, options.overrides)
        name = chosen_experiment(suite, options.experiment)
        run = next(each for each in plan(suite, options.runs) if each.experiment == name)
        parent = read_parent(run)
        begin = partial(parent.hand_over, run) if parent else lambda trainer: None
        found = find_learning_rate(run.config, open_data(run.config, run.seed), run.seed, begin)
        draw(found, name, options.out)
    except (CnnlibError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"suggested learning rate {found.suggestion:g}")
    print(f"curve {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add_config(parser)
    parser.add_argument("--experiment", help="which one of the suite (its baseline)")
    parser.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        help="where run_suite puts the suite's folder: with start_from, the parent's weights are taken there (runs)",
    )
    parser.add_argument("--out", type=Path, default=Path("lr.png"), help="where the curve goes (lr.png)")
    return parser


def draw(found: RangeTest, title: str, path: Path) -> None:
    """The smoothed loss over the learning rate, the suggestion marked."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.plot(found.rates, found.losses, color="#1f5fa8", linewidth=2)
    at = found.rates.index(min(found.rates, key=lambda rate: abs(rate / found.suggestion - 1)))
    axes.axvline(found.suggestion, color="#c0392b", linestyle="--", linewidth=1)
    axes.plot(found.rates[at], found.losses[at], "o", color="#c0392b", markersize=8)
    axes.annotate(
        f"suggested: {found.suggestion:g}",
        (found.rates[at], found.losses[at]),
        xytext=(10, 10),
        textcoords="offset points",
        color="#c0392b",
    )
    low, high = min(found.losses), max(found.losses[: found.losses.index(min(found.losses)) + 1])
    margin = 0.25 * (high - low)
    axes.set(xscale="log", xlabel="learning rate", ylabel="total loss, smoothed")
    axes.set(ylim=(low - margin / 2, high + margin), title=f"Learning-rate range test: {title}")
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=130, format="png")


if __name__ == "__main__":
    sys.exit(main())
