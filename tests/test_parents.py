"""Suites whose runs start from other runs, from the command line to what they leave."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from cnnlib.config import load_experiment, load_suite
from cnnlib.files import file_hash
from cnnlib.inference import load_run
from cnnlib.runs import plan
from cnnlib.suite import forecast_suite
from tests.datasets.pictures import photo, save
from tests.time_limit import limited
from tests.tiny_suite import TINY, assert_same_weights, session_of, write_suite
from tools import find_lr
from tools.run_suite import main

SMALL = {
    "tasks": {"mask": {"loss": "bce"}},
    "dataset": TINY["dataset"] | {"train": 12},
    "training": TINY["training"] | {"epochs": 1},
}
CHAIN = {
    "v1": {"freeze.trained_stages": 1},
    "v2": {"start_from.run": "v1", "freeze": {"trained_stages": 0}, "training.epochs": 2},
    "v3": {
        "start_from": {"run": "v2", "heads": True},
        "freeze": {"trained_stages": 1, "unfreeze": [{"epoch": 3, "trained_stages": "all"}]},
        "training": {"epochs": 4, "ema_decay": 0.9},
    },
    "v4": {"start_from": {"run": "v3", "heads": True, "optimizer": True}},
    "v5": {
        "start_from.run": "v4",
        "learning_rate_factors": {"encoder": 0.1, "per_stage": 0.5},
        "schedule": "cosine",
    },
}


def chain(folder: Path, experiments: dict[str, Any] | None = None, **changes: Any) -> Path:
    folder.mkdir(exist_ok=True)
    return write_suite(folder, **SMALL, experiments=experiments or CHAIN, **changes)


def run(path: Path, out: Path, *options: str) -> int:
    return main([str(path), "--out", str(out), *options])


def result(run: Path) -> dict[str, Any]:
    return json.loads((run / "result.json").read_text())


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["model"]


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chain, which nobody interrupted."""
    folder = tmp_path_factory.mktemp("family")
    assert run(chain(folder, seeds=[0]), folder / "runs") == 0
    return folder / "runs" / "tiny"


@pytest.fixture
def copied(family: Path, tmp_path: Path) -> Path:
    """The folder ``runs`` of a copy of it, to be changed."""
    shutil.copytree(family, tmp_path / "runs" / "tiny")
    chain(tmp_path, seeds=[0])
    return tmp_path / "runs"


def test_a_run_names_its_parent_by_the_hash_of_its_weights(family: Path) -> None:
    assert "start_from" not in result(family / "v1/seed-0")
    for parent, child, taken in (("v1", "v2", (False, False)), ("v3", "v4", (True, True))):
        own = family / child / "seed-0"
        found = result(own)["start_from"]
        assert found == {
            "folder": f"../../{parent}/seed-0",
            "experiment": parent,
            "seed": 0,
            "sha256": file_hash(family / parent / "seed-0/checkpoints/best.ckpt"),
            "weights": True,
            "optimizer": taken[0],
            "heads": taken[1],
        }
        assert (own / found["folder"] / "result.json").exists()


def test_what_is_frozen_throughout_is_the_parents(family: Path) -> None:
    """Weights and statistics; v3 thaws them."""
    first, second, third = (weights(family / name / "seed-0") for name in ("v1", "v2", "v3"))
    frozen = [key for key in first if key.startswith("encoder.")]
    assert any("running_var" in key for key in frozen)
    for key in frozen:
        assert torch.equal(first[key], second[key]), key
    assert not any(
        torch.equal(second[key], third[key]) for key in frozen if key.endswith(("weight", "running_mean"))
    )


def test_optimizers_are_handed_over_and_ages_add_up(family: Path) -> None:
    """Three steps an epoch; ``best.ckpt`` holds the state of its own epoch."""
    states = {
        name: torch.load(family / name / "seed-0/checkpoints/best.ckpt", weights_only=True)["optimizer"]
        for name in CHAIN
    }
    best = {name: result(family / name / "seed-0")["best_epoch"] for name in CHAIN}
    ages = {name: float(state["heads.mask.bias"]["step"]) for name, state in states.items()}
    assert ages["v3"] == 3 * best["v3"]
    assert ages["v4"] == 3 * best["v3"] + 3 * best["v4"]
    assert ages["v5"] == 3 * best["v5"]
    assert not any(name.startswith("encoder.") for name in states["v2"])
    encoder = float(states["v4"]["encoder.levels.0.shortcut.0.weight"]["step"])
    assert encoder == 3 * max(0, best["v3"] - 2) + 3 * best["v4"]


def test_learning_rates_of_parts_are_logged(family: Path) -> None:
    with (family / "v5/seed-0/metrics.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    logged = {key: float(value) for key, value in row.items() if key.startswith("learning_rate")}
    base = logged["learning_rate"]
    assert logged["learning_rate/encoder.1"] == pytest.approx(0.1 * 0.25 * base)
    assert logged["learning_rate/encoder.3"] == pytest.approx(0.1 * base)
    assert logged["learning_rate/heads"] == pytest.approx(base)
    header = (family / "v4/seed-0/metrics.csv").read_text().splitlines()[0]
    assert "learning_rate/" not in header


def test_a_saved_config_repeats_the_run_and_what_it_builds_on(family: Path, tmp_path: Path) -> None:
    saved = family / "v3/seed-0/config.yaml"
    assert list(load_suite(saved).experiments) == ["v1", "v2", "v3"]
    assert run(saved, tmp_path) == 0
    assert_same_weights(family / "v3/seed-0", tmp_path / "tiny/v3/seed-0")
    assert file_hash(family / "v3/seed-0/checkpoints/best.ckpt") == file_hash(
        tmp_path / "tiny/v3/seed-0/checkpoints/best.ckpt"
    )


def test_a_child_predicts_without_its_parent(family: Path, tmp_path: Path) -> None:
    shutil.copytree(family / "v4/seed-0", tmp_path / "alone")
    model = load_run(tmp_path / "alone")
    assert load_experiment(tmp_path / "alone/config.yaml").start_from.run == "v3"
    image = torch.rand(3, 32, 32)
    assert model.predict(image, bg=image)["mask"].shape == (1, 32, 32)


def test_killed_in_the_middle_of_the_third_a_chain_of_five_ends_like_an_unbroken_one(
    family: Path, tmp_path: Path, project: Path
) -> None:
    path = chain(tmp_path, seeds=[0])
    command = [sys.executable, "tools/run_suite.py", str(path), "--out", str(tmp_path / "killed")]
    process = subprocess.Popen(
        command, cwd=project, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for line in process.stderr:
        if "v3 seed 0" in line and "epoch 2/4" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    deadline = time.monotonic() + 60
    while (left := session_of(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not left
    process.stderr.close()
    killed = tmp_path / "killed" / "tiny"
    assert (killed / "v2/seed-0/result.json").exists()
    assert (killed / "v3/seed-0/checkpoints/last.ckpt").exists()
    assert not (killed / "v3/seed-0/result.json").exists()
    assert not (killed / "v4").exists()

    assert run(path, tmp_path / "killed") == 0
    for name in CHAIN:
        one, other = (suite / name / "seed-0" for suite in (family, killed))
        assert_same_weights(one, other)
        assert result(one)["test"] == result(other)["test"]
        assert result(one).get("start_from") == result(other).get("start_from")


def test_a_child_waits_for_its_parent_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two at a time give the weights of one at a time, with as many threads for each."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    experiments = {"child": {"start_from": {"run": "parent", "heads": True}}, "parent": {}}
    path = chain(tmp_path, experiments, seeds=[0, 1, 2])
    for jobs in ("1", "2"):
        command = [sys.executable, "tools/run_suite.py", str(path), "--out", str(tmp_path / jobs)]
        subprocess.run([*command, "--jobs", jobs], check=True, capture_output=True)
    for name in experiments:
        for seed in range(3):
            assert_same_weights(*(tmp_path / jobs / "tiny" / name / f"seed-{seed}" for jobs in ("1", "2")))
    assert not torch.equal(
        *(weights(tmp_path / f"1/tiny/child/seed-{seed}")["heads.mask.bias"] for seed in (0, 1))
    )


def test_a_changed_parent_is_noticed(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where the child is finished, and where it is not."""
    path, child = tmp_path / "suite.yaml", copied / "tiny/v2/seed-0"
    best = copied / "tiny/v1/seed-0/checkpoints/best.ckpt"
    state = torch.load(best, weights_only=True)
    state["model"]["heads.mask.bias"] += 1
    torch.save(state, best)
    for finished in (True, False):
        if not finished:
            (child / "result.json").unlink()
        before = {file: file.stat().st_mtime_ns for file in copied.glob("*/*/seed-0/**/*")}
        assert run(path, copied) == 2
        message = capsys.readouterr().err
        assert f"{child} (from v1): made from other weights than those there now; pass --overwrite" in message
        assert {file: file.stat().st_mtime_ns for file in before} == before
    assert run(path, copied, "--overwrite") == 0
    assert result(child)["start_from"]["sha256"] == file_hash(best)


def test_a_parent_that_is_trained_again_may_be_another(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same training gives the same hash; other weights are noticed once they are there."""
    path = tmp_path / "suite.yaml"
    shutil.rmtree(copied / "tiny/v1")
    assert run(path, copied) == 0
    record = copied / "tiny/v2/seed-0/parent.json"
    record.write_text(json.dumps(json.loads(record.read_text()) | {"sha256": "0" * 64}))
    shutil.rmtree(copied / "tiny/v1")
    assert run(path, copied) == 2
    assert "made from other weights" in capsys.readouterr().err
    assert result(copied / "tiny/v1/seed-0")["status"] == "finished"


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ([], "parent.json: Input should be a valid dictionary; delete"),
        ({}, "parent.json: folder: Field required; delete"),
        ({"sha256": 3}, "parent.json: sha256: Input should be a valid string; delete"),
    ],
)
def test_a_damaged_record_of_the_parent_is_named(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], record: Any, message: str
) -> None:
    """Rather than taken for one of other weights."""
    path = copied / "tiny/v2/seed-0/parent.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | record if record else record))
    assert run(tmp_path / "suite.yaml", copied) == 2
    assert f"{message} {path.parent} to run this again" in capsys.readouterr().err


def test_a_failed_parent_fails_its_children_and_all_can_be_tried_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = {"optimizer.learning_rate": 1e30, "training.clip_norm": None}
    experiments = {"v1": {}, "v2": {"start_from.run": "v1", **broken}}
    experiments |= {"v3": {"start_from.run": "v2"}, "v4": {"start_from.run": "v3"}}
    path = chain(tmp_path, experiments, schedule="constant")
    suite = tmp_path / "runs/tiny"
    assert run(path, tmp_path / "runs") == 1
    assert result(suite / "v1/seed-0")["status"] == "finished"
    assert "optimizer.learning_rate" in result(suite / "v2/seed-0")["error"]
    assert "its parent v2 seed 0 failed" in result(suite / "v3/seed-0")["error"]
    assert "its parent v3 seed 0 failed" in result(suite / "v4/seed-0")["error"]
    before = (suite / "v1/seed-0/result.json").stat().st_mtime_ns
    experiments["v2"] = {"start_from.run": "v1"}
    assert run(chain(tmp_path, experiments, schedule="constant"), tmp_path / "runs") == 0
    assert (suite / "v1/seed-0/result.json").stat().st_mtime_ns == before


def test_a_failed_child_of_other_weights_begins_anew(copied: Path, tmp_path: Path) -> None:
    """It does not go on from the checkpoint that was made from them."""
    path, child = tmp_path / "suite.yaml", copied / "tiny/v5/seed-0"
    whole = weights(child)
    failed = {"status": "failed", "experiment": "v5", "seed": 0, "error": "the machine was in a mood"}
    (child / "result.json").write_text(json.dumps(failed))
    record = json.loads((child / "parent.json").read_text())
    (child / "parent.json").write_text(json.dumps(record | {"sha256": "0" * 64}))
    (forecast,) = (each for each in forecast_suite(load_suite(path), copied) if each.experiment == "v5")
    assert forecast.epochs == [1]
    (child / "checkpoints/best.ckpt").unlink()
    assert run(path, copied) == 0
    assert all(torch.equal(value, weights(child)[key]) for key, value in whole.items())
    assert json.loads((child / "parent.json").read_text()) == record == result(child)["start_from"]


def test_a_resumed_child_does_not_load_its_parent_again(copied: Path, tmp_path: Path) -> None:
    """A tensor that no longer fits would be refused where it was loaded."""
    path, child = tmp_path / "suite.yaml", copied / "tiny/v5/seed-0"
    best = copied / "tiny/v4/seed-0/checkpoints/best.ckpt"
    best.write_bytes(b"not a checkpoint")
    record = json.loads((child / "parent.json").read_text()) | {"sha256": file_hash(best)}
    (child / "parent.json").write_text(json.dumps(record))
    (child / "result.json").unlink()
    whole = weights(child)
    (planned,) = (each for each in plan(load_suite(path), copied) if each.experiment == "v5")
    from cnnlib.experiment import run_experiment

    run_experiment(planned)
    assert all(torch.equal(value, weights(child)[key]) for key, value in whole.items())


@pytest.mark.parametrize("place", ["experiment", "run"])
def test_a_parent_may_be_a_folder(family: Path, tmp_path: Path, place: str) -> None:
    """An experiment's, for its run under the same seed, or a run's."""
    folder = family / "v1" if place == "experiment" else family / "v1" / "seed-0"
    path = chain(tmp_path, {"v2": CHAIN["v2"] | {"start_from.run": str(folder)}})
    assert run(path, tmp_path / "runs") == 0
    assert_same_weights(family / "v2/seed-0", tmp_path / "runs/tiny/v2/seed-0")
    found = result(tmp_path / "runs/tiny/v2/seed-0")["start_from"]
    assert found == result(family / "v2/seed-0")["start_from"] | {
        "folder": str((family / "v1/seed-0").resolve())
    }


FOLDED = {"dataset": SMALL["dataset"] | {"folds": 3}}
NOT_SAME_FOLD = "trained on another division into folds, and so on images that this run is tested on"


@pytest.mark.parametrize(
    ("parent", "changes", "message"),
    [
        ("v9", {}, "no run is at"),
        ("v1/seed-7", {}, "no run is at"),
        ("unfinished", {}, "its parent unfinished seed 0 has not finished"),
        ("failed", {}, "its parent failed seed 0 failed"),
        ("v1/seed-0", {"model": {"name": "resunet", "widths": [4, 12]}}, "encoder.levels.1"),
        ("v1/seed-0", {"start_from": {"heads": True}, "tasks": {"mask": {}, "depth": {}}}, "heads.depth"),
        (
            "v1/seed-0",
            {"start_from": {"optimizer": True}, "optimizer": {"name": "sgd", "learning_rate": 0.1}},
            "one optimizer for both; v2 has sgd, and its parent adamw",
        ),
        ("v1/seed-0", FOLDED, NOT_SAME_FOLD),
    ],
)
def test_what_cannot_be_started_from_is_told_before_anything_is_trained(
    family: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], parent: str, changes: dict, message: str
) -> None:
    runs = tmp_path / "old"
    shutil.copytree(family / "v1", runs / "v1")
    for name in ("unfinished", "failed"):
        shutil.copytree(family / "v1", runs / name)
    (runs / "unfinished/seed-0/result.json").unlink()
    failed = {"status": "failed", "experiment": "v1", "seed": 0, "error": "?"}
    (runs / "failed/seed-0/result.json").write_text(json.dumps(failed))
    start = {"run": str(runs / parent)} | changes.pop("start_from", {})
    path = write_suite(
        tmp_path, **(SMALL | {"experiments": {"a": {}, "v2": {"start_from": start}}} | changes)
    )
    assert run(path, tmp_path / "runs") == 2
    told = capsys.readouterr().err
    assert message in told
    assert "v2" in told
    assert not list((tmp_path / "runs").rglob("*.ckpt"))
    if "start_from" in changes:
        return
    assert run(path, tmp_path / "runs", "--dry-run") == 2


def test_weights_that_do_not_fit_are_found_before_the_parent_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments = {"v1": {}, "v2": {"start_from.run": "v1", "model.widths": [4, 12]}}
    assert run(chain(tmp_path, experiments), tmp_path / "runs") == 2
    told = capsys.readouterr().err
    assert "experiment 'v2': start_from: v1: encoder.levels.1" in told
    assert "is (8, 4, 1, 1) in the other run, and (12, 4, 1, 1) here" in told
    assert not list((tmp_path / "runs").rglob("*.ckpt"))


@pytest.mark.parametrize(
    ("place", "words"),
    [("~no-such-user/x", "experiment 'v1': start_from.run: "), ("a\0/b", "text cannot hold NUL")],
)
def test_what_cannot_be_a_path_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], place: str, words: str
) -> None:
    assert run(chain(tmp_path, {"v1": {"start_from.run": place}}), tmp_path / "runs") == 2
    assert words in capsys.readouterr().err


def test_an_experiment_may_be_called_like_a_run(tmp_path: Path) -> None:
    suite = load_suite(chain(tmp_path, {"seed-0": {}, "b": {"start_from.run": "seed-0"}}, seeds=[0]))
    planned = {run.experiment: run for run in plan(suite, tmp_path)}
    assert planned["b"].parent == planned["seed-0"].folder


def test_heads_of_other_classes_are_not_taken_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shapes are the same; only the names tell that a cat would be a dog."""
    for folder, classes in (("pets", ("cat", "dog")), ("wild", ("dog", "wolf"))):
        for number in range(12):
            save(photo(number), tmp_path / folder / classes[number % 2] / f"{number}.png")

    def suite(root: str, heads: bool) -> dict[str, Any]:
        target = {"label": {"by_folder": True}}
        dataset = {"name": "folders", "inputs": {"image": "."}, "targets": target, "size": 16}
        return {
            "a": {"dataset": dataset | {"root": str(tmp_path / "pets")}},
            "b": {
                "dataset": dataset | {"root": str(tmp_path / root)},
                "start_from": {"run": "a", "heads": heads},
            },
        }

    small = SMALL | {"tasks": {"label": {}}, "model": {"name": "net0"}}
    assert run(write_suite(tmp_path, **small, experiments=suite("wild", True)), tmp_path / "runs") == 2
    told = capsys.readouterr().err
    assert (
        "experiment 'b': start_from: a: its label has the names cat, dog, and here it has dog, wolf" in told
    )
    for root, heads in (("wild", False), ("pets", True)):
        path = write_suite(tmp_path, **small, name=root, experiments=suite(root, heads))
        assert run(path, tmp_path / "runs") == 0
    # Of a parent that has finished, its folder tells the names.
    late = {
        "c": suite("wild", True)["b"] | {"start_from": {"run": str(tmp_path / "runs/pets/a"), "heads": True}}
    }
    assert run(write_suite(tmp_path, **small, experiments=late), tmp_path / "runs") == 2
    assert "here it has dog, wolf" in capsys.readouterr().err


def test_a_finished_child_needs_its_parent_no_more(copied: Path, tmp_path: Path) -> None:
    (copied / "tiny").rename(copied / "old")
    late = {"late": {"start_from.run": str(copied / "old/v1")}}
    path = write_suite(tmp_path, **SMALL, experiments=late, seeds=[0])
    assert run(path, tmp_path / "out") == 0
    shutil.rmtree(copied / "old/v1")
    assert run(path, tmp_path / "out") == 0
    assert run(path, tmp_path / "out", "--overwrite") == 2


def test_folds_follow_the_seed_and_must_be_the_parents(
    family: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments = {"v1": {}, "v2": {"start_from.run": "v1"}}
    path = chain(tmp_path / "folded", experiments, seeds=[0, 1], **{})
    options = ["--set", "dataset.folds=3", "--jobs", "2"]
    assert run(path, tmp_path / "runs", *options) == 0
    old = tmp_path / "runs/tiny/v1/seed-1"

    def start(folder: Path, *more: str) -> int:
        only = json.dumps({"late": {"start_from.run": str(folder)}})
        return run(path, tmp_path / "late", "--set", f"experiments={only}", "--set", "seeds=[1]", *more)

    assert start(tmp_path / "runs/tiny/v1/seed-0", "--set", "dataset.folds=3") == 2
    assert NOT_SAME_FOLD in capsys.readouterr().err
    assert start(old, "--set", "dataset.folds=4") == 2
    assert start(old, "--set", "dataset={size: 16, folds: 4}") == 2  # the pictures may well be the same
    assert start(old) == 2
    assert not (tmp_path / "late").exists() or not list((tmp_path / "late").rglob("*.ckpt"))
    assert start(old, "--set", "dataset.folds=3") == 0
    one_fold = {"experiments": {"v1": {}, "v2": {"start_from.run": "v1", "dataset.folds": 3}}}
    assert run(write_suite(tmp_path, **SMALL, **one_fold), tmp_path / "mixed") == 2
    assert NOT_SAME_FOLD in capsys.readouterr().err


def test_a_folder_of_the_same_suite_is_to_be_named(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two ways to say it would be two orders to run in."""
    path = chain(tmp_path, {"v1": CHAIN["v1"], "w": {"start_from.run": str(copied / "tiny/v1")}})
    assert run(path, copied) == 2
    assert "is of this suite; write the experiment's name alone" in capsys.readouterr().err


def test_a_dry_run_times_children_of_runs_that_are_not_there_yet(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = chain(tmp_path, {"v1": CHAIN["v1"], "v2": CHAIN["v2"]}, seeds=[0, 1])
    assert run(path, tmp_path / "runs", "--dry-run") == 0
    assert "to do: 4, 1 at a time, in about " in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()


def test_auto_and_find_lr_begin_with_the_parents_weights(
    family: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    auto = {"optimizer.learning_rate": "auto"}
    start = {"run": str(family / "v3/seed-0"), "heads": True}
    path = chain(tmp_path, {"a": {"start_from": start, **auto}, "b": auto})
    assert run(path, tmp_path / "runs") == 0
    curves = [
        json.loads((tmp_path / f"runs/tiny/{name}/seed-0/learning_rate.json").read_text()) for name in "ab"
    ]
    assert curves[0]["losses"] != curves[1]["losses"]
    picture = ["--out", str(tmp_path / "lr.png"), "--set", "optimizer.learning_rate=0.1"]
    capsys.readouterr()
    for name, curve in zip("ab", curves, strict=True):
        assert find_lr.main([str(path), "--experiment", name, *picture]) == 0
        assert capsys.readouterr().out.startswith(f"suggested learning rate {curve['suggestion']:g}\n")

    named = chain(tmp_path, {"v1": {}, "v2": {"start_from.run": "v1"}})
    assert find_lr.main([str(named), "--experiment", "v2", "--runs", str(tmp_path / "none"), *picture]) == 2
    assert "its parent v1 seed 0 has not finished; run it first" in capsys.readouterr().err
    runs = ["--runs", str(family.parent)]
    assert find_lr.main([str(named), "--experiment", "v2", *runs, *picture]) == 0


def test_a_child_learns_a_batch_by_heart(family: Path, tmp_path: Path) -> None:
    start = {"start_from.run": str(family / "v1"), "training.overfit_batches": 1}
    assert run(chain(tmp_path, {"o": start}), tmp_path / "runs") == 0
    found = result(tmp_path / "runs/tiny/o/seed-0")
    assert found["start_from"]["experiment"] == "v1"
    assert "learn one batch" in found["overfit"]["words"]


def test_further_seeds_are_given_to_the_parents_of_what_is_open(tmp_path: Path) -> None:
    """Though the comparison of the parent itself is decided."""
    experiments = {
        "base": {},
        "same": {"optimizer.learning_rate": 0.010001},
        "child": {"start_from.run": "same"},
    }
    path = chain(
        tmp_path, experiments, seeds=[0, 1], margins={"mask": 0.99}, main_task="mask", baseline="base"
    )
    from cnnlib import suite as suites

    config = load_suite(path, ["seeds=[0,1,2]", "first_seeds=2"])
    runs = plan(config, tmp_path / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suites, "read_suite", lambda folder: None)
        patch.setattr(suites, "compare_suite", lambda results: None)
        patch.setattr(suites, "undecided", lambda compared: ["child"])
        first, second = suites._waves(config, tmp_path, runs)
    assert len(first) == 6
    assert set(config.experiments) == {"base", "same", "child"}
    assert [(each.experiment, each.seed) for each in second] == [(name, 2) for name in config.experiments]


def test_a_pipe_for_the_weights_of_a_parent_is_not_waited_for(
    copied: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    best = copied / "tiny/v1/seed-0/checkpoints/best.ckpt"
    best.unlink()
    os.mkfifo(best)
    with limited(20):
        assert run(tmp_path / "suite.yaml", copied) == 2
    assert f"{best}: must be a regular file" in capsys.readouterr().err
