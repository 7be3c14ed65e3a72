"""Kills suites at random moments and runs the same command again until it ends; the end must be that of one that
nobody killed, bit for bit.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.kill.end_state import differences
from tests.kill.killing import run_killed, run_whole
from tests.kill.suites import SUITES, write_suites

_MOST_IN_A_ROW = 10


def main(arguments: list[str] | None = None) -> int:
    """0: every suite ended like an unbroken one; 1: some did not, and are kept to be looked into."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)} (both)")
    parser.add_argument("--count", type=int, default=100, help="kills in all (100)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (0)")
    options = parser.parse_args(arguments)
    if unknown := set(options.suites) - set(SUITES):
        parser.error(f"no suite is called {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
    rng, left, faults, killed = random.Random(options.seed), options.count, [], Counter()
    folder = Path(tempfile.mkdtemp(prefix="kill-"))
    suites = [each for each in write_suites(folder) if not options.suites or each.name in options.suites]
    whole = {suite.name: run_whole(suite, folder / suite.name) for suite in suites}
    trial = 0
    while left:
        suite, trial = suites[trial % len(suites)], trial + 1
        count = min(left, rng.randint(1, _MOST_IN_A_ROW))
        out = folder / f"trial-{trial}"
        done = run_killed(suite, out, count, rng, whole[suite.name].seconds)
        killed, left = killed + done, left - done.total()
        found = differences(out / "tiny", whole[suite.name].folder)
        print(
            f"{suite.name}, trial {trial}: {done.total()} kills, {left} left; {found or 'bit-identical'}",
            flush=True,
        )
        faults += [f"{out}: {each}" for each in found]
        if not found:
            shutil.rmtree(out)
    print(
        f"{options.count} kills in {trial} suites: {', '.join(f'{n} of {what}' for what, n in killed.items())}"
    )
    print("\n".join(faults) or "all ended bit-identical to suites that nobody killed")
    if not faults:
        shutil.rmtree(folder)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
