"""What runs code: importing a dotted name does, and nothing else before the name has shown what it is."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from cnnlib.config import ConfigError, load_suite
from cnnlib.datasets import Folders
from cnnlib.inference import load_run
from cnnlib.lookup import refuse_outside_code
from cnnlib.tasks.saved import build_tasks
from cnnlib.types import CnnlibError, TargetInfo
from tests.datasets.pictures import photo, save
from tests.tiny_suite import TINY, write_suite
from tools import (
    find_lr,
    inspect_dataset,
    make_dataset,
    make_shards,
    make_tiny,
    predict,
    report,
    run_suite,
    show_transforms,
    summary,
)

TRAP = """
from pathlib import Path
from cnnlib.losses import BCELoss
from cnnlib.tasks import MaskTask
from torch.nn import Linear, Module
from torch.optim import SGD, Optimizer

Path("imported").touch()

class Thing:
    kind = "mask"

    def __init__(self, **options):
        Path("called").touch()
        self.split = None

def command(**options):
    Path("called").touch()

def untold() -> "Missing": ...
def broken() -> "1/0": ...
def lion(parameters) -> Optimizer: return SGD(parameters, 0.1)
def net(in_channels, heads) -> "Module": return Linear(1, 1)

class Cut:
    def split(self, text): ...  # text has a method split too

class MyBCE(BCELoss): ...
class MyMask(MaskTask): ...
"""
PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "augmentation": lambda name: {"augmentations": [{"name": name}]},
    "dataset": lambda name: {"dataset": {"name": name}},
    "model": lambda name: {"model": name},
    "decoder": lambda name: {"model": {"name": "multi_task", "encoder": "resnet18", "decoder": name}},
    "exchange": lambda name: {"model": {"name": "multi_task", "encoder": "resnet18", "exchange": name}},
    "task": lambda name: {"tasks": {"mask": {"name": name}}},
    "loss": lambda name: {"tasks": {"mask": {"loss": name}}},
    "weighting": lambda name: {"weighting": name},
    "optimizer": lambda name: {"optimizer": name},
    "schedule": lambda name: {"schedule": name},
    "predictions": lambda name: {"predictions": name},
}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a module that notes what is done with it."""
    (tmp_path / "trap.py").write_text(TRAP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "trap", raising=False)
    monkeypatch.setenv("CNNLIB_NO_OUTSIDE_CODE", "")
    return tmp_path


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "name", ["trap.command", "trap.Thing", "trap.Cut", "trap.untold", "trap.broken", "os.system"]
)
def test_what_is_not_of_the_kind_is_not_called(here: Path, place: str, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"'{name}' cannot serve as an? .*; it is a "):
        load_suite(write_suite(here, **PLACES[place](name)))
    assert not (here / "called").exists()


@pytest.mark.parametrize(("place", "name"), [("optimizer", "trap.lion"), ("model", "trap.net")])
def test_a_function_that_returns_the_kind_will_do(here: Path, place: str, name: str) -> None:
    config = load_suite(write_suite(here, **PLACES[place](name))).experiments["tiny"]
    assert getattr(config, place).name == name


@pytest.mark.parametrize(
    ("place", "name"), [("optimizer", "torch.optim.Optimizer"), ("model", "torch.nn.Module")]
)
def test_the_kind_itself_will_not(here: Path, place: str, name: str) -> None:
    with pytest.raises(ConfigError, match=rf"'{name}' cannot serve as an? {place}"):
        load_suite(write_suite(here, **PLACES[place](name)))


def test_a_target_of_a_data_set_is_not_called_either(here: Path) -> None:
    save(photo(0), here / "images" / "a.png")
    for name in ("trap.command", "trap.Thing"):
        with pytest.raises(CnnlibError, match="cannot serve as a kind of target"):
            Folders(".", {"image": "images"}, {"mask": {"kind": name, "folder": "images"}}, size=8)
        with pytest.raises(CnnlibError, match="cannot serve as a task"):
            build_tasks({"mask": {}}, {"mask": TargetInfo(name)})
    assert not (here / "called").exists()


@pytest.mark.parametrize("place", PLACES)
def test_outside_code_may_be_refused_unseen(here: Path, place: str) -> None:
    refuse_outside_code()
    with pytest.raises(ConfigError, match="is outside code, which --no-outside-code refuses"):
        load_suite(write_suite(here, **PLACES[place]("trap.MyMask")))
    assert not (here / "imported").exists()


def test_a_module_that_ends_the_program_is_an_error(here: Path) -> None:
    (here / "trap.py").write_text("raise SystemExit(3)")
    with pytest.raises(ConfigError, match=r"'trap\.MyBCE' cannot be imported: SystemExit: 3"):
        load_suite(write_suite(here, **PLACES["loss"]("trap.MyBCE")))


@pytest.mark.parametrize(
    ("tool", "options"),
    [
        (run_suite, ["--dry-run"]),
        (summary, []),
        (inspect_dataset, []),
        (show_transforms, []),
        (find_lr, []),
        (make_dataset, ["--out", "made"]),
        (make_shards, ["--out", "made"]),
        (make_tiny, ["--out", "made", "--count", "2"]),
    ],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_every_command_that_reads_a_config_can_refuse_it(
    here: Path, tool: Any, options: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_suite(here, tasks={"mask": {"loss": "trap.MyBCE"}})
    assert tool.main([str(path), "--no-outside-code", *options]) == 2
    assert "'trap.MyBCE' is outside code, which --no-outside-code refuses" in capsys.readouterr().err
    assert not (here / "imported").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A suite's folder."""
    folder = tmp_path_factory.mktemp("trained")
    path = write_suite(folder, tasks={"mask": {}}, training=TINY["training"] | {"epochs": 1})
    assert run_suite.main([str(path), "--out", str(folder)]) == 0
    return folder / "tiny"


@pytest.fixture
def received(trained: Path, here: Path) -> Path:
    """A run's folder of which every section but model and tasks, as somebody changed it, is outside code."""
    run = trained / "tiny" / "seed-0"
    kept = (run / "config.yaml").read_text()
    hostile = yaml.safe_load(kept)
    for place, section in PLACES.items():
        if place not in ("model", "decoder", "exchange", "task", "loss"):
            hostile |= section("trap.Thing")
    hostile["tasks"]["mask"]["loss"] = [{"name": "trap.MyBCE", "anything": 3}]
    (run / "config.yaml").write_text(yaml.safe_dump(hostile))
    yield run
    (run / "config.yaml").write_text(kept)


def test_predicting_builds_model_and_tasks_alone(received: Path, here: Path) -> None:
    assert list(load_run(received).tasks) == ["mask"]
    assert not (here / "imported").exists()


def test_predicting_and_reporting_can_refuse_outside_code(
    received: Path, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = yaml.safe_load((received / "config.yaml").read_text())
    config["tasks"]["mask"]["name"] = "trap.MyMask"
    (received / "config.yaml").write_text(yaml.safe_dump(config))
    assert predict.main([str(received), "a.png", "--out", "out", "--no-outside-code"]) == 2
    assert (
        report.main([str(received.parent.parent), "--no-outside-code"]) == 0
    )  # without the pictures, with a note
    assert capsys.readouterr().err.count("'trap.MyMask' is outside code") == 2
    assert not (here / "imported").exists()
    os.environ["CNNLIB_NO_OUTSIDE_CODE"] = ""
    assert report.main([str(received.parent.parent)]) == 0
    assert (here / "imported").exists()
    assert not (here / "called").exists()


READERS = re.compile(r"\b(load_suite|read_suite|read_lineage|load_run|finished_suite)\b")


@pytest.mark.parametrize(
    "tool", sorted((Path(__file__).parent.parent / "tools").glob("*.py")), ids=lambda path: path.stem
)
def test_whatever_reads_a_config_or_a_run_can_refuse_outside_code(tool: Path) -> None:
    text = tool.read_text()
    assert bool(READERS.search(text)) <= bool(re.search(r"\badd_(config|no_outside_code)\(", text))
