"""``learning_rate: auto``, ``training.overfit_batches`` and ``find_lr``, from the config to what a run leaves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cnnlib import experiment
from cnnlib.assembly import make_loaders, open_data
from cnnlib.config import load_suite
from cnnlib.experiment import run_experiment
from cnnlib.runs import plan
from tests.tiny_suite import TINY, assert_same_weights, write_suite
from tools import find_lr, run_suite

AUTO = {"name": "adamw", "learning_rate": "auto"}
MASK = {"mask": {"loss": "bce"}}


def run(folder: Path, **changes: Any) -> Path:
    """A run's folder."""
    folder.mkdir(exist_ok=True)
    (planned,) = plan(load_suite(write_suite(folder, **changes)), folder / "runs")
    run_experiment(planned)
    return planned.folder


def test_auto_trains_as_its_number_does_and_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auto = run(tmp_path / "auto", optimizer=AUTO)
    rate = json.loads((auto / "result.json").read_text())["learning_rate"]
    assert 1e-6 < rate < 10
    number = run(tmp_path / "number", optimizer=AUTO | {"learning_rate": rate})
    assert_same_weights(auto, number)

    (auto / "checkpoints" / "last.ckpt").unlink()  # as if killed in its first epoch
    monkeypatch.setattr(experiment, "find_learning_rate", lambda *_: pytest.fail("it was known already"))
    assert_same_weights(run(tmp_path / "auto", optimizer=AUTO), number)


@pytest.mark.parametrize("value", [0, "autos", None])
def test_a_learning_rate_is_a_number_or_auto(tmp_path: Path, value: Any, capsys) -> None:
    path = write_suite(tmp_path, optimizer=AUTO | {"learning_rate": value})
    assert run_suite.main([str(path)]) == 2
    assert "auto" in capsys.readouterr().err


def test_the_first_batches_are_all_that_is_seen(tmp_path: Path) -> None:
    training = TINY["training"] | {"overfit_batches": 2, "batch_size": 3}
    (config,) = load_suite(write_suite(tmp_path, training=training)).experiments.values()
    data = open_data(config, 0)
    loaders = make_loaders(config, data, 0)
    plain = {sample["name"]: sample["image"] for sample in (data.all_train[index] for index in range(6))}
    for loader in loaders:
        seen = {
            name: image for batch in loader for name, image in zip(batch["name"], batch["image"], strict=True)
        }
        assert seen.keys() == plain.keys()
        assert all(image.equal(plain[name]) for name, image in seen.items())
    assert len(loaders.train) == 100


@pytest.mark.parametrize(("rate", "can"), [(0.01, True), (1e-9, False)])
def test_a_verdict_on_one_batch(tmp_path: Path, rate: float, can: bool, capsys) -> None:
    path = write_suite(
        tmp_path,
        tasks=MASK,
        optimizer={"name": "adamw", "learning_rate": rate},
        training=TINY["training"] | {"overfit_batches": 1, "epochs": 4},
    )
    assert run_suite.main([str(path), "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "tiny/tiny/seed-0/result.json").read_text())
    assert result["overfit"]["can_learn"] is can
    start = "it can learn one batch: mask/iou" if can else "it cannot learn one batch: mask/iou"
    assert result["overfit"]["words"].startswith(start)
    assert result["overfit"]["words"] in capsys.readouterr().out


def test_find_lr_prints_and_draws_and_leaves_nothing_else(tmp_path: Path, capsys) -> None:
    path = write_suite(tmp_path, training=TINY["training"] | {"accumulate": 2})
    out = tmp_path / "lr.png"
    assert find_lr.main([str(path), "--out", str(out), "--set", "optimizer.name=sgd"]) == 0
    assert capsys.readouterr().out.startswith("suggested learning rate ")
    with Image.open(out) as picture:
        assert picture.size[0] > 600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lr.png", "suite.yaml"]
    assert find_lr.main([str(path), "--experiment", "tyni"]) == 2
    assert "did you mean 'tiny'?" in capsys.readouterr().err
