"""The studies: their configs are sound, and their broken conditions are broken in the way that they say."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from cnnlib.config import load_suite
from cnnlib.datasets import Scenes
from cnnlib.losses import BCELoss, dice_loss
from cnnlib.predictions import FolderPersister
from cnnlib.reporting.results import RunResult
from cnnlib.types import Predicted, Target, TargetInfo
from experiments.why_bce_failed.conditions import DiceOnLogits, RawMask, UnalignedScenes
from experiments.why_bce_failed.tell import judge_pictures

STUDIES = sorted(Path(__file__).parent.parent.glob("experiments/*/*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_studys_config_is_sound(path: Path) -> None:
    assert load_suite(path).name == path.stem


def test_the_two_pictures_are_flipped_apart_and_the_mask_never(tmp_path: Path) -> None:
    options = {"size": 16, "train": 2, "val": 1, "test": 1, "cache_dir": str(tmp_path)}
    right, broken = Scenes(**options), UnalignedScenes(**options)
    whole, flipping = right.split("train")[0], broken.split("train")
    torch.manual_seed(0)
    seen = Counter()
    for _ in range(200):
        sample = flipping[0]
        assert torch.equal(sample["mask"].value, whole["mask"].value)
        seen[
            tuple(
                torch.equal(picture, original.flip(-1))
                for picture, original in zip(sample["image"].split(3), whole["image"].split(3), strict=True)
            )
        ] += 1
    assert len(seen) == 4
    assert min(seen.values()) > 20
    assert torch.equal(broken.split("test")[0]["image"], right.split("test")[0]["image"])


def test_raw_outputs_wrap_around_when_they_are_saved() -> None:
    raw = torch.tensor([[[0.0, 1.0, -0.01, 1.01, 300 / 255]]])
    task = RawMask(TargetInfo("mask"))
    assert torch.equal(task.decode(raw, (1, 5)), raw)
    assert task.store(raw).tolist() == [[0, 255, 254, 1, 44]]


def test_dice_on_logits_trains_the_same_and_only_what_is_saved_differs() -> None:
    logits, target = torch.randn(2, 1, 4, 4), (torch.rand(2, 1, 4, 4) > 0.5).float()
    task = RawMask(TargetInfo("mask"))
    assert DiceOnLogits.compares(task) == BCELoss.compares(task) == ("logits",)
    torch.testing.assert_close(DiceOnLogits()(logits, target), dice_loss(logits.sigmoid(), target))


def test_pictures_are_judged_by_what_is_on_disk(tmp_path: Path) -> None:
    target = Target(torch.tensor([[[1.0, 1.0, 0.0, 0.0]]]), torch.ones(1, 1, 4, dtype=torch.bool))
    seen = torch.tensor([[[1.0, 1.01, 0.0, -0.01]]])  # saved as 255, 1, 0, 254
    sink = FolderPersister(tmp_path / "predictions", {"mask": RawMask(TargetInfo("mask"))}, {"picture": 3})
    sink.write(Predicted("a", torch.zeros(3, 1, 4), {"mask": seen}, {"mask": target}))
    iou, error = judge_pictures(RunResult(tmp_path, "raw", 0, {}, {}, {}, {}))
    assert iou == pytest.approx(1 / 3)
    assert error == pytest.approx(np.mean([0, 254, 0, 254]) / 255)
