"""Looking into many files at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.pool import ThreadPool
from typing import TypeVar

from cnnlib.progress import shown

T = TypeVar("T")


def in_threads(jobs: Sequence[Callable[[], T]], what: str) -> Iterator[T]:
    """What each job gives, in order; on a terminal with a bar that says ``what`` is being done."""
    with ThreadPool(min(8, os.cpu_count() or 1)) as pool:
        yield from shown(pool.imap(lambda job: job(), jobs, 16), what, len(jobs))
