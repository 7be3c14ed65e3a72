"""Shows what is in the cache folder and how large it is, and removes what was not read for some days.

python tools/cache.py
python tools/cache.py --remove-older 30
"""

from __future__ import annotations

from cnnlib.interruption import end_in_one_line

if __name__ == "__main__":
    end_in_one_line()

import argparse
import sys
import time
from pathlib import Path

from cnnlib.datasets.cache import CacheEntry, cache_entries, cache_root, remove_entry
from cnnlib.reporting.plain_text import aligned

_DAY = 24 * 3600


def main(arguments: list[str] | None = None) -> int:
    """0: shown; 2: the folder cannot be read, or an entry not be removed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--cache-dir", type=Path, help="the folder ($CNNLIB_CACHE, or the user's cache folder)"
    )
    parser.add_argument(
        "--remove-older",
        type=float,
        metavar="DAYS",
        help="remove entries that were last read so long ago; 0: all",
    )
    options = parser.parse_args(arguments)
    root = cache_root(options.cache_dir)
    try:
        entries = cache_entries(root)
        print(*_lines(root, entries), sep="\n")
        if options.remove_older is not None:
            old = [entry for entry in entries if time.time() - entry.read >= options.remove_older * _DAY]
            for entry in old:
                remove_entry(entry)
            print(f"removed {len(old)}, {sum(entry.size for entry in old) / 1024**2:,.1f} MiB")
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _lines(root: Path, entries: list[CacheEntry]) -> list[str]:
    rows = [
        [
            str(entry.folder.relative_to(root)),
            f"{entry.size / 1024**2:,.1f}",
            time.strftime("%Y-%m-%d", time.localtime(entry.read)),
        ]
        for entry in entries
    ]
    total = f"{root}: {len(entries)} entries, {sum(entry.size for entry in entries) / 1024**2:,.1f} MiB"
    return [*aligned([["entry", "MiB", "last read"], *rows]), total] if rows else [total]


if __name__ == "__main__":
    sys.exit(main())
