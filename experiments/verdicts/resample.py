"""How often verdicts are wrong on suites that are drawn from forty seeds of real training.

python -m experiments.verdicts.resample runs/real
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from cnnlib.files import write_atomically
from cnnlib.reporting.comparison import all_against, differences
from cnnlib.reporting.scores import Scores, scores_of
from cnnlib.reporting.statistics import LEVEL, holm
from experiments.finished import finished_suite, study_parser

HERE = Path(__file__).parent
Draw: TypeAlias = Callable[[np.random.Generator], dict[str, Scores]]


def main(arguments: list[str] | None = None) -> int:
    parser = study_parser(__doc__)
    parser.add_argument("--suites", type=int, default=1000, help="drawn of each kind (1000)")
    options = parser.parse_args(arguments)
    suite = finished_suite(options.suite)
    lines = ["| drawn | metric | suites in which a difference is found |", "|---|---|---|"]
    for metric, higher_is_better in suite.ranked_by.items():
        scores, _ = scores_of(metric, suite.finished, ratio=not higher_is_better)
        rate, half = (scores[name] for name in suite.experiments)
        kinds: dict[str, Draw] = {
            f"{count} experiments of {seeds} different seeds of `rate`": same_experiment(rate, count, seeds)
            for count, seeds in ((2, 3), (2, 10), (5, 3), (10, 3), (5, 5))
        }
        kinds |= {
            f"`rate` and `half_rate` under the same {seeds} seeds, their mean difference taken out": planted(
                rate, without_difference(rate, half), seeds
            )
            for seeds in (3, 10)
        }
        kinds |= {
            f"**planted:** `rate` against `half_rate` under the same {seeds} seeds": planted(
                rate, half, seeds
            )
            for seeds in (3, 5, 10)
        }
        for what, draw in kinds.items():
            lines.append(f"| {what} | {metric} | {share_found(draw, options.suites):.1%} |")
            print(lines[-1], flush=True)
    write_atomically(HERE / "real.md", "\n".join(lines) + "\n")
    return 0


def share_found(draw: Draw, suites: int) -> float:
    random = np.random.default_rng(0)
    found = 0
    for _ in range(suites):
        scores = draw(random)
        tests, _ = differences(scores, all_against("0", scores), planned=len(scores["0"]))
        found += min(holm([test.p for test in tests.values()])) < LEVEL
    return found / suites


def same_experiment(runs: Scores, count: int, seeds: int) -> Draw:
    """Experiments that are all the same one, no run used twice: nothing differs, and runs of one seed share nothing."""

    def draw(random: np.random.Generator) -> dict[str, Scores]:
        chosen = random.permutation(list(runs))[: count * seeds].reshape(count, seeds)
        return {
            str(index): {place: runs[seed] for place, seed in enumerate(own)}
            for index, own in enumerate(chosen)
        }

    return draw


def without_difference(one: Scores, other: Scores) -> Scores:
    """``other`` moved so that it equals ``one`` on average; seeds still share what they share."""
    difference = np.mean([other[seed].mean() - one[seed].mean() for seed in one.keys() & other.keys()])
    return {seed: scores - difference for seed, scores in other.items()}


def planted(one: Scores, other: Scores, seeds: int) -> Draw:
    """Two experiments under the same seeds."""

    def draw(random: np.random.Generator) -> dict[str, Scores]:
        chosen = random.permutation(sorted(one.keys() & other.keys()))[:seeds]
        return {str(index): {seed: runs[seed] for seed in chosen} for index, runs in enumerate((one, other))}

    return draw


if __name__ == "__main__":
    sys.exit(main())
