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
from cnnlib.reporting.run_result import RunResult
from cnnlib.types import Predicted, Target, TargetInfo
from experiments.detector_versions.tell import APART, JOURNAL, STEPS
from experiments.verdicts.resample import planted, same_experiment, share_found, without_difference
from experiments.verdicts.settings import Setting
from experiments.verdicts.simulate import as_markdown, simulate
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


def test_simulated_suites_are_what_their_settings_say() -> None:
    random = np.random.default_rng(0)
    tables = [Setting("", 10, 3, shared=0.4, odd="fifth", effect=2).draw(random) for _ in range(3000)]
    means = np.stack(tables).mean(axis=-1)
    means -= means[:, 2:3].mean(axis=2, keepdims=True)  # the images that are hard for all
    runs = means - means.mean(axis=2, keepdims=True)
    spread = runs.var(axis=(0, 2)) * 3 / 2
    assert spread[0] == pytest.approx(0.3**2 + 0.7**2 / 100, rel=0.1)
    assert spread[4] / spread[0] == pytest.approx(400, rel=0.15)
    common = (runs[:, 0] * runs[:, 1]).mean() * 3 / 2
    assert common == pytest.approx(0.4 * 0.3**2, rel=0.15)
    assert (means[:, 1] - means[:, 0]).mean() == pytest.approx(0.6, abs=0.03)


def test_the_simulation_finds_what_is_plain_and_nothing_where_nothing_is() -> None:
    assert simulate(Setting("", 3, 3, effect=30), 10).found == 1
    assert simulate(Setting("", 3, 3), 30).found < 0.3
    assert simulate(Setting("", 2, 3, effect=0.01, margin=30), 10).found == 1
    assert simulate(Setting("", 2, 3, effect=30, margin=30), 30).found < 0.3
    stopped = simulate(Setting("", 2, 3, effect=30, most_seeds=10), 10)
    assert (stopped.found, stopped.seeds) == (1, 3)
    assert (
        as_markdown([stopped], "found").splitlines()[-1].startswith("|  | 2 | 3 to 10, mean 3.0 | 100.0% |")
    )


def test_suites_are_drawn_from_real_runs_without_using_one_twice() -> None:
    random = np.random.default_rng(0)
    runs = {seed: random.normal(size=20) + 0.1 * random.normal() for seed in range(12)}
    drawn = same_experiment(runs, 4, 3)(random)
    assert [list(own) for own in drawn.values()] == [[0, 1, 2]] * 4
    used = [scores.tobytes() for own in drawn.values() for scores in own.values()]
    assert len(set(used)) == 12
    better = {seed: scores + 5 for seed, scores in runs.items()}
    assert share_found(planted(runs, better, 3), 10) == 1
    level = without_difference(runs, better)
    assert np.mean([level[seed] - runs[seed] for seed in runs]) == pytest.approx(0, abs=1e-12)


def test_the_detectors_versions_are_all_told_and_those_apart_take_one_change_back() -> None:
    experiments = load_suite(Path("configs/detector_journal.yaml")).experiments
    assert {"v0", *JOURNAL, *APART} == experiments.keys()
    assert {*STEPS} | {*STEPS.values()} == experiments.keys() - {"v0"}
    dumps = {name: experiments[name].model_dump() for name in ("v5", *APART)}
    changed = {
        name: {key for key in {*dumps["v5"], *dumps[name]} if dumps[name].get(key) != dumps["v5"].get(key)}
        for name in APART
    }
    assert changed == {
        "v5_head_first": {"start_from"},
        "v5_stretched": {"dataset"},
        "v5_weight_100": {"tasks"},
        "v5_rate_0.0001": {"optimizer"},
        "all_stages": {"freeze"},
    }
