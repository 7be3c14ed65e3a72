"""How often verdicts are wrong, and how often they find what is there, in simulated suites.

python -m experiments.verdicts.simulate --quick
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cnnlib.files import write_atomically
from cnnlib.reporting.comparison import all_against, differences
from cnnlib.reporting.leader import interval_of_best
from cnnlib.reporting.looks import price_of_looking
from cnnlib.reporting.statistics import LEVEL, holm
from experiments.verdicts.settings import Setting, as_scores

HERE = Path(__file__).parent

MAIN = [
    *(Setting("equal", experiments, seeds) for experiments in (2, 5, 20) for seeds in (2, 3, 5)),
    *(Setting("40 % shared", *size, shared=0.4) for size in ((2, 10), (5, 3), (20, 3))),
    Setting("spread", 20, 3, odd="spread"),
    *(Setting("every fifth odd", *size, odd="fifth") for size in ((5, 2), (5, 3), (20, 2), (20, 3))),
    *(Setting("baseline odd", *size, odd="baseline") for size in ((2, 3), (5, 2), (5, 3), (20, 3))),
    Setting("3 to 10 seeds", 2, 3, most_seeds=10),
]
MORE = [
    *(Setting("equal", *size) for size in ((2, 10), (3, 3), (10, 3), (10, 5))),
    *(Setting("80 % shared", *size, shared=0.8) for size in ((2, 10), (5, 5), (20, 3))),
    *(Setting("heavy tails", *size, heavy=True) for size in ((2, 3), (5, 3), (20, 3), (20, 5))),
    *(Setting("10 images", *size, images=10) for size in ((2, 3), (5, 3), (20, 3))),
    *(Setting("10 groups of 10", *size, group=10) for size in ((2, 3), (20, 3))),
    *(Setting("spread", *size, odd="spread") for size in ((2, 3), (5, 3), (5, 5), (20, 5))),
    *(Setting("every fifth odd", *size, odd="fifth") for size in ((5, 5), (10, 3), (20, 5))),
    *(Setting("every fifth odd, 40 % shared", *size, odd="fifth", shared=0.4) for size in ((5, 3), (20, 3))),
    *(Setting("every fifth calm", *size, odd="fifth", times=0.05) for size in ((5, 3), (20, 3))),
    *(
        Setting("baseline odd", *size, odd="baseline")
        for size in ((2, 2), (2, 5), (3, 3), (5, 5), (20, 2), (20, 5))
    ),
    Setting("3 to 10 seeds", 5, 3, most_seeds=10),
    Setting("3 to 10 seeds, 40 % shared", 5, 3, shared=0.4, most_seeds=10),
]
HIDDEN = [
    *(
        Setting("every fifth 4.5 times", *size, odd="fifth", times=4.5)
        for size in ((5, 3), (5, 5), (20, 3), (20, 5))
    ),
    *(
        Setting("baseline 4.5 times", *size, odd="baseline", times=4.5)
        for size in ((2, 3), (5, 3), (5, 5), (20, 3), (20, 5))
    ),
]
"""Odd, and not by enough to be seen in three seeds: no test can hold its level here that finds much elsewhere."""
POWER = [
    *(
        Setting("2 sd", *size, effect=2)
        for size in ((2, 3), (2, 5), (2, 10), (3, 3), (5, 3), (5, 5), (20, 3), (20, 5))
    ),
    *(Setting("2 sd, 40 % shared", *size, shared=0.4, effect=2) for size in ((5, 5), (20, 3))),
    Setting("0.55 sd, 80 % shared", 2, 10, shared=0.8, effect=0.55),
    Setting("2 sd, one odd experiment", 20, 5, odd="last", effect=2),
    Setting("2 sd, 3 to 10 seeds", 2, 3, effect=2, most_seeds=10),
]
EQUAL = [
    *(
        Setting("2 sd, just the margin", *size, effect=2, margin=2)
        for size in ((2, 3), (2, 10), (5, 5), (20, 3))
    ),
    Setting("2 sd, just the margin, 3 to 10 seeds", 2, 3, effect=2, margin=2, most_seeds=10),
    *(Setting("none, margin of 3 sd", *size, margin=3) for size in ((2, 3), (2, 5), (5, 3), (5, 5), (20, 3))),
]


@dataclass(frozen=True)
class Outcome:
    """Of many suites of one setting: the share in which something was found, and the mean number of seeds."""

    setting: Setting
    suites: int
    found: float
    seeds: float

    @property
    def error(self) -> float:
        """The standard error of ``found``."""
        return float(np.sqrt(self.found * (1 - self.found) / self.suites))


def simulate(setting: Setting, suites: int) -> Outcome:
    """Draws suites, five times as many of two experiments, which are quick; "found" is as ``find`` says."""
    suites *= 5 if setting.experiments == 2 else 1
    random = np.random.default_rng([setting.experiments, setting.seeds, round(100 * setting.shared)])
    found = [find(setting, setting.draw(random)) for _ in range(suites)]
    return Outcome(
        setting, suites, float(np.mean([hit for hit, _ in found])), float(np.mean([n for _, n in found]))
    )


def find(setting: Setting, table: np.ndarray) -> tuple[bool, int]:
    """Whether anything, or what is looked for, is found, and under how many seeds that ended."""
    last = setting.most_seeds or setting.seeds
    looks = range(setting.seeds, last + 1)
    p_values = np.ones(setting.experiments - 1)
    shown = np.zeros(setting.experiments - 1, dtype=bool)
    for index, count in enumerate(looks):
        scores = as_scores(table[:, :count])
        tests, _ = differences(scores, all_against("0", scores), setting.seeds)
        for which, test in enumerate(tests.values()):
            if not shown[which]:
                p = 2 * test.p_outside(setting.far) if setting.margin else test.p
                p_values[which] = price_of_looking(min(p, 1.0), looks[: index + 1], last)
        shown = np.array(holm(list(p_values / 2 if setting.margin else p_values))) < LEVEL
        if shown.all():
            break
    return bool(shown[0] if setting.effect or setting.margin else shown.any()), count


def cover(experiments: int, seeds: int, suites: int) -> float:
    """The share of suites in which the interval of the best of equal experiments covers their common mean, 0."""
    random = np.random.default_rng([experiments, seeds])
    covered = 0
    for _ in range(suites):
        values = random.normal(size=(experiments, seeds))
        low, high = interval_of_best(values, int(values.mean(axis=1).argmax()), ratio=False)
        covered += low <= 0 <= high
    return covered / suites


def as_markdown(outcomes: Sequence[Outcome], what: str) -> str:
    lines = [f"| suites | experiments | seeds | {what} | ± |", "|---|---|---|---|---|"]
    for one in outcomes:
        setting = one.setting
        seeds = f"3 to {setting.most_seeds}, mean {one.seeds:.1f}" if setting.most_seeds else setting.seeds
        lines.append(
            f"| {setting.name} | {setting.experiments} | {seeds} | {one.found:.1%} | {one.error:.1%} |"
        )
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the main settings only, and write no table")
    parser.add_argument("--suites", type=int, default=None, help="of each setting (2000; quick: 1000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes (one per core)")
    options = parser.parse_args(arguments)
    suites = options.suites or (1000 if options.quick else 2000)
    with ProcessPoolExecutor(options.jobs) as pool:

        def run(settings: Sequence[Setting], what: str) -> str:
            outcomes = []
            for one in pool.map(partial(simulate, suites=suites), settings):
                outcomes.append(one)
                row = as_markdown([one], what).splitlines()[-1]
                print(row, flush=True)
            every.extend(outcomes)
            return as_markdown(outcomes, what)

        every: list[Outcome] = []
        settings = MAIN if options.quick else MAIN + MORE
        print("False findings")
        tables = {"false": run(settings, "suites with a false finding")}
        worst = max(every, key=lambda one: one.found - 0.02 * (one.setting.seeds == 2))
        if not options.quick:
            print("Hidden oddity")
            tables["hidden"] = run(HIDDEN, "suites with a false finding")
            print("Power")
            tables["power"] = run(POWER, "planted effect found")
            print("Equal")
            tables["equal"] = run(EQUAL, "called equal")
            print(f"interval of the best of 20 covers: {cover(20, 3, suites):.1%}")
            for name, table in tables.items():
                write_atomically(HERE / f"{name}.md", table)
    print(f"worst family-wise error {worst.found:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
