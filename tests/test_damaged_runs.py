"""A suite that meets damaged files of its runs: what can be made again is, and the rest is named."""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from PIL import Image

from cnnlib import suite as suite_module
from cnnlib.config import load_suite
from cnnlib.engine.checkpoint import load_checkpoint, save_checkpoint
from cnnlib.engine.trainer import Trainer
from cnnlib.estimate import epochs_left
from cnnlib.experiment import run_experiment
from cnnlib.runs import Run, plan
from cnnlib.types import CnnlibError
from tests.tiny_suite import TINY, assert_same_weights, write_suite
from tools.predict import main as predict
from tools.report import main as report
from tools.run_suite import main


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    path = write_suite(folder, training=TINY["training"] | {"epochs": 2})
    assert main([str(path), "--out", str(folder / "runs")]) == 0
    return folder


@pytest.fixture
def again(finished: Path, tmp_path: Path) -> tuple[list[str], Path]:
    """The command once more, and the run's folder in a copy of its own."""
    shutil.copytree(finished / "runs", tmp_path / "runs")
    return [str(finished / "suite.yaml"), "--out", str(tmp_path / "runs")], tmp_path / "runs/tiny/tiny/seed-0"


def test_damage_and_left_overs_are_mended(
    again: tuple[list[str], Path], finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, run = again
    table = (run / "metrics.csv").read_text()
    (run / "result.json").write_text("[" * 100_000)
    (run / "metrics.csv").write_bytes(b"\xff\xfe")
    (run / "traceback.txt").write_text("of an earlier failure")
    left = [run / ".result.json.123.partial", run / "checkpoints" / ".last.ckpt.9.partial"]
    left += [run.parent.parent / ".results.csv.7.partial"]
    for path in left:
        path.write_bytes(b"left by a kill")
    trained = (run / "checkpoints" / "last.ckpt").stat().st_mtime_ns
    assert main(command) == 0
    err = capsys.readouterr().err
    assert f"{run / 'result.json'}: not valid JSON (nested too deeply); it is made again" in err
    assert (run / "metrics.csv").read_text() == table
    assert (
        run / "checkpoints" / "last.ckpt"
    ).stat().st_mtime_ns == trained  # tested again, not trained again
    whole = json.loads((finished / "runs/tiny/tiny/seed-0/result.json").read_text())
    assert json.loads((run / "result.json").read_text())["test"] == whole["test"]
    assert not (run / "traceback.txt").exists()
    assert not any(path.exists() for path in left)


def test_a_result_that_no_report_could_show_is_made_again(again: tuple[list[str], Path]) -> None:
    command, run = again
    whole = json.loads((run / "result.json").read_text())
    (run / "result.json").write_text('{"status": "finished", "experiment": "tiny", "seed": 0}')
    assert main(command) == 0
    assert json.loads((run / "result.json").read_text())["test"] == whole["test"]


def test_a_dry_run_tells_what_would_be_made_again(
    again: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    command, run = again
    (run / "result.json").write_text("{")
    assert main([*command, "--dry-run"]) == 0
    assert "result.json: not valid JSON" in capsys.readouterr().err
    assert (run / "result.json").read_text() == "{"


@pytest.mark.parametrize("state", [None, 3, {}, {"epoch": "2"}], ids=str)
def test_a_dry_run_names_a_checkpoint_that_says_nothing_of_epochs(
    again: tuple[list[str], Path], state: object
) -> None:
    command, folder = again
    (run,) = plan(load_suite(Path(command[0])), Path(command[2]))
    path = folder / "checkpoints" / "last.ckpt"
    saved = load_checkpoint(path)
    save_checkpoint(path, saved | {"state": state})
    message = (
        r"last\.ckpt: its training state does not fit \(it must hold the integers epoch and best_epoch\)"
    )
    for read in (epochs_left, run_experiment):
        with pytest.raises(CnnlibError, match=message):
            read(run)


DAMAGES = ("last.ckpt is damaged", "best.ckpt is gone", "best.ckpt is damaged")


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ("nothing", 0),
        ("last.ckpt is gone", 2),
        *((damage, 2) for damage in DAMAGES),
        ("patience was exhausted after epoch 1", 0),
    ],
)
def test_a_dry_run_counts_the_epochs_that_training_takes(
    again: tuple[list[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: str,
    left: int,
) -> None:
    command, folder = again
    (run,) = plan(load_suite(Path(command[0])), Path(command[2]))
    path = folder / "checkpoints" / change.partition(" ")[0]
    if change.endswith("gone"):
        path.unlink()
    elif change.endswith("damaged"):
        path.write_bytes(path.read_bytes()[:-100])
    elif change.startswith("patience"):
        path = folder / "checkpoints" / "last.ckpt"
        saved = load_checkpoint(path)
        save_checkpoint(path, saved | {"state": saved["state"] | {"epoch": 1, "best_epoch": 0}})
        training = run.config.training.model_copy(update={"patience": 1})
        run = replace(run, config=run.config.model_copy(update={"training": training}))
    capsys.readouterr()
    estimated = epochs_left(run)
    told = capsys.readouterr().err
    assert told.endswith("; it would be trained from the start\n") == (change in DAMAGES)
    assert "begins" not in told
    assert epochs_trained(run, monkeypatch) == estimated == left


def test_a_dry_run_counts_what_an_interrupted_run_has_left(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = plan(load_suite(finished / "suite.yaml"), tmp_path)
    assert epochs_left(run) == 2
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        epochs_trained(run, patch, fail_at=2)
    assert epochs_left(run) == 1
    assert epochs_trained(run, monkeypatch) == 1


def epochs_trained(run: Run, patch: pytest.MonkeyPatch, fail_at: int | None = None) -> int:
    trained, train_epoch = [], Trainer.train_epoch

    def counted(trainer: Trainer, loader: object, epoch: int) -> dict[str, float]:
        if epoch == fail_at:
            raise KeyboardInterrupt
        trained.append(epoch)
        return train_epoch(trainer, loader, epoch)

    patch.setattr(Trainer, "train_epoch", counted)
    run_experiment(run)
    return len(trained)


def test_a_damaged_result_of_another_config_is_left_alone(
    again: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    command, run = again
    (run / "result.json").write_text("{")
    assert main([*command, "--set", "optimizer.learning_rate=0.5"]) == 2
    assert "made with another config" in capsys.readouterr().err
    assert (run / "result.json").read_text() == "{"


def test_an_unfinished_run_with_a_damaged_checkpoint_is_trained_again(
    again: tuple[list[str], Path], finished: Path
) -> None:
    command, run = again
    (run / "result.json").unlink()
    content = (run / "checkpoints" / "best.ckpt").read_bytes()[:-100]
    (run / "checkpoints" / "best.ckpt").write_bytes(content)
    assert main(command) == 0
    assert_same_weights(run, finished / "runs/tiny/tiny/seed-0")


def test_a_config_that_is_no_text_is_another_config(
    again: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    command, run = again
    (run / "config.yaml").write_bytes(b"\xff\xfe")
    assert main(command) == 2
    assert "made with another config" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("checkpoints/best.ckpt", b"PK"),
        ("data.json", b"[" * 100_000),
        ("data.json", b'{"inputs": {}, "targets": {}, "size": 32}'),
        ("config.yaml", b"[" * 100_000),
        ("config.yaml", b"\xff\xfe"),
        ("config.yaml", None),
        ("data.json", None),
        ("checkpoints/best.ckpt", None),
    ],
    ids=str,
)
def test_predict_names_what_is_damaged(
    again: tuple[list[str], Path], file: str, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    _, run = again
    (run / file).unlink()
    if content is None:
        os.mkfifo(run / file)  # which would never end
    else:
        (run / file).write_bytes(content)
    assert predict([str(run), "photo.png", "--out", str(run / "out")]) == 2
    assert Path(file).name in capsys.readouterr().err


def test_a_report_names_what_is_damaged(
    again: tuple[list[str], Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, run = again
    (run / "metrics.csv").write_bytes(b"\xff\xfe")
    (run / "environment.json").write_bytes(b"{")
    assert report([str(run.parent.parent)]) == 0
    assert f"{run / 'metrics.csv'}: not a text file in UTF-8" in capsys.readouterr().err
    assert "environment.json: not valid JSON" in (run.parent.parent / "report.html").read_text()


def test_names_of_inputs_lead_nowhere(again: tuple[list[str], Path], tmp_path: Path) -> None:
    """The data of a run of somebody else's may have inputs of any name."""
    _, run = again
    data = json.loads((run / "data.json").read_text())
    data["inputs"] = {"../../../x": 3, "fg_bg": 3}
    (run / "data.json").write_text(json.dumps(data))
    Image.new("RGB", (32, 32)).save(tmp_path / "photo.png")
    photo, before = str(tmp_path / "photo.png"), set(tmp_path.rglob("*"))
    out = tmp_path / "deep" / "out"
    assert predict([str(run), photo, "--input", f"../../../x={photo}", "--out", str(out)]) == 0
    written = set(tmp_path.rglob("*")) - before - {out.parent, out}
    assert written
    assert all(path.is_relative_to(out) for path in written)


def test_a_failure_is_noted_while_more_loading_processes_die(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch raises at each of their deaths, wherever the process is."""
    (run,) = plan(load_suite(finished / "suite.yaml"), tmp_path)

    def die(*_: object) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed")

    def lose_a_worker(_: object) -> None:
        raise RuntimeError("the first death")

    write = suite_module.write_json

    def write_while_another_dies(*arguments: object) -> None:
        os.kill(os.getpid(), signal.SIGCHLD)
        write(*arguments)

    monkeypatch.setattr(suite_module, "run_experiment", lose_a_worker)
    monkeypatch.setattr(suite_module, "write_json", write_while_another_dies)
    before = signal.signal(signal.SIGCHLD, die)
    try:
        with pytest.raises(SystemExit):
            suite_module._run(run)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert json.loads((run.folder / "result.json").read_text())["error"] == "RuntimeError: the first death"
    assert "the first death" in (run.folder / "traceback.txt").read_text()


@pytest.mark.parametrize("data", ["whole", "damaged"])
def test_a_weight_that_is_no_number_is_named(
    again: tuple[list[str], Path], data: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, run = again
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["tasks"]["mask"]["weight"] = "abc"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    if data == "damaged":
        (run / "data.json").write_text("[")
    assert report([str(run.parent.parent)]) == 0
    told = capsys.readouterr()
    assert "config.yaml: tasks.mask.weight must be a number; it is 'abc'" in told.out + told.err
