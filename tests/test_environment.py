"""What is measured of the machine."""

from __future__ import annotations

import multiprocessing
import sys
import time

import pytest
import torch

from cnnlib.environment import OtherLoad, environment, peak_memory_mib


def burn(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_the_environment_names_versions_and_processor() -> None:
    found = environment(torch.device("cpu"), "32-true")
    assert found["packages"]["torch"] == torch.__version__.partition("+")[0]
    assert found["precision"] == "32-true"
    assert found["threads"] == torch.get_num_threads()
    assert peak_memory_mib(torch.device("cpu")) > 100  # torch alone takes more


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_children_are_not_other_processes() -> None:
    """A burning child counts as our own; seen from the child, its parent's work is another's."""
    context = multiprocessing.get_context("fork")
    load, child = OtherLoad(), context.Process(target=burn, args=(1.5,))
    began = time.process_time()
    child.start()
    time.sleep(1.2)
    own, seen_from_here = time.process_time() - began, load.share()
    child.join()
    receive, send = context.Pipe(duplex=False)
    watcher = context.Process(target=watch, args=(send,))
    watcher.start()
    burn(1.5)
    seen_from_child = receive.recv()
    watcher.join()
    assert own < 0.5
    assert seen_from_child > seen_from_here
    assert seen_from_child > 0.5 / multiprocessing.cpu_count()


def watch(send: object) -> None:
    load = OtherLoad()
    time.sleep(1.0)
    send.send(load.share())
