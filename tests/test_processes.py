"""Processes as /proc shows them, whatever their names are."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from cnnlib import processes
from cnnlib.environment import OtherLoad
from cnnlib.processes import end_process, processor_seconds, start_time
from tests.test_workers import alive

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

NAMES = [b"a) S 1 (b", b"\xff\xfe", b"two\nlines", b""]


def work_under(name: bytes, used: Connection) -> None:
    Path("/proc/self/comm").write_bytes(name or b"\0")
    while time.process_time() < 0.2:
        pass
    used.send(sum(os.times()[:2]))
    time.sleep(60)


def ticks_since_the_machine_started() -> float:
    return float(Path("/proc/uptime").read_bytes().split()[0]) * os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("name", NAMES, ids=str)
def test_a_child_of_any_name_is_found_measured_and_ended(name: bytes) -> None:
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=work_under, args=(name, send))
    before = ticks_since_the_machine_started()
    child.start()
    used = receive.recv()
    try:
        assert child.pid in processes._children(os.getpid())
        assert used <= processor_seconds(child.pid) < used + 1
        assert OtherLoad().share() >= 0
        assert before - 1 <= start_time(child.pid) <= ticks_since_the_machine_started() + 1
    finally:
        end_process(child.pid)
        child.join()
    assert child.exitcode == -signal.SIGKILL
    assert start_time(child.pid) is None
    assert processor_seconds(child.pid) == 0


def test_a_process_ends_with_its_child_whose_name_is_no_text() -> None:
    """The child of a child, as one that loads a run's data."""
    code = (
        "import os, time; child = os.fork(); "
        "child or open('/proc/self/comm', 'wb').write(b'\\xff'); "
        "child and print(child, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        end_process(parent.pid)
    assert parent.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 20
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not alive(child)
