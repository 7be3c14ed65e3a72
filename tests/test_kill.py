"""A few kills of ``python -m tests.kill``, and that it reports what differs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from tests.kill.__main__ import main
from tests.kill.end_state import differences
from tests.tiny_suite import TINY, write_suite
from tools.run_suite import main as run_suite


@pytest.mark.slow
def test_killed_suites_end_bit_identical(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["family", "--count", "3", "--seed", "1"]) == 0
    assert "all ended bit-identical" in capsys.readouterr().out


def test_a_suite_that_there_is_not_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["famly"])
    assert "no suite is called famly; there are family, growing" in capsys.readouterr().err


def test_what_differs_is_reported(tmp_path: Path) -> None:
    path = write_suite(tmp_path, training=TINY["training"] | {"epochs": 1})
    assert run_suite([str(path), "--out", str(tmp_path / "whole")]) == 0
    whole, other = (tmp_path / each / "tiny" for each in ("whole", "other"))
    shutil.copytree(whole, other)
    assert differences(other, whole) == []
    checkpoint = other / "tiny/seed-0/checkpoints/best.ckpt"
    state = torch.load(checkpoint, weights_only=True)
    next(iter(state["model"].values())).view(-1)[0] += 1e-6
    torch.save(state, checkpoint)
    (other / ".results.csv.1.partial").touch()
    (other / "summary.csv").write_text("metric\nmask/iou\n")
    assert [each.split()[0] for each in differences(other, whole)] == [
        "left",
        "summary.csv",
        "tiny/seed-0/best.ckpt",
    ]
