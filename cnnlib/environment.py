"""What a run ran on: the versions, the machine, the memory it took, and who else used the cores."""

from __future__ import annotations

import multiprocessing
import os
import platform
import re
import resource
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from cnnlib import __version__
from cnnlib.processes import processor_seconds

_PACKAGES = ("torch", "torchvision", "lightning-fabric", "torchmetrics", "numpy")


def environment(device: torch.device, precision: str) -> dict[str, Any]:
    """Everything that the numbers of a run may depend on beside its config."""
    return {
        "cnnlib": __version__,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "system": platform.platform(),
        "processor": _processor(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "precision": precision,
        "threads": torch.get_num_threads(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    }


def peak_memory_mib(device: torch.device) -> float:
    """The most memory this process has held, MiB: on the device where there is one, else in RAM."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*: (.*)", info.read_text(), re.MULTILINE) if info.exists() else None
    return found[1] if found else platform.processor()


class OtherLoad:
    """Measures how much of this process's cores others use, from its creation to the call of ``share``.

    A run whose cores are shared trains slower than its figures would suggest to a reader.
    """

    def __init__(self) -> None:
        self._began = time.perf_counter(), _busy_seconds(), _own_seconds()

    def share(self) -> float | None:
        """From 0 to 1, of the cores that this process may use; ``None`` where the system does not report it."""
        began, busy, own = self._began
        if busy is None:
            return None
        others = (_busy_seconds() - busy) - (_own_seconds() - own)
        return max(0.0, others / ((time.perf_counter() - began) * len(os.sched_getaffinity(0))))


def _busy_seconds() -> float | None:
    """The time that the cores of this process have spent on any process."""
    path = Path("/proc/stat")
    if not path.exists():
        return None
    cores = {f"cpu{index}" for index in os.sched_getaffinity(0)}
    lines = map(str.split, path.read_text().splitlines())
    return sum(sum(map(int, times[:3])) for name, *times in lines if name in cores) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    """The processor time of this process and of its children, such as those that load data."""
    times = os.times()
    total = times.user + times.system + times.children_user + times.children_system
    return total + sum(processor_seconds(process.pid) for process in multiprocessing.active_children())
