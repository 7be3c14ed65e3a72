"""tools/benchmarks/loading_memory.py: it passes over every sample, and draws what it read."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from PIL import Image

from tools.benchmarks import loading_memory


def test_an_epoch_is_measured_to_its_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    loading_memory.add_arguments(parser)
    out = tmp_path / "memory.png"
    options = parser.parse_args(["--samples", "128", "--size", "16", "--workers", "1", "--out", str(out)])
    options.run(options)
    first, main_process, worker = capsys.readouterr().out.splitlines()
    assert first.startswith("128 samples in 1 shards of ")
    assert main_process.startswith("main process: ")
    assert worker.startswith("worker 1: ")
    with Image.open(out) as picture:
        assert picture.width > 500
