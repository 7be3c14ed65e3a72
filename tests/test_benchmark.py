"""What ``tools/benchmark.py inference`` prints; how long things take is no test's business."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

from cnnlib.models import ResUNet
from cnnlib.types import Head
from tests.tiny_suite import write_suite
from tools import benchmark
from tools.benchmarks import timing


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_suite(tmp_path, experiments={"narrow": {}, "wide": {"model.widths": [8, 16]}})


def _rows(text: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in text.splitlines()[2:]}


def test_every_experiment_has_a_row(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["inference", str(config), "--repeats", "2"]) == 0
    text = capsys.readouterr().out
    assert str(torch.get_num_threads()) in text.splitlines()[0]
    rows = _rows(text)
    assert list(rows) == ["narrow", "wide"]
    for name, widths in (("narrow", (4, 8)), ("wide", (8, 16))):
        model = ResUNet(6, {"mask": Head("map", 1), "depth": Head("map", 1)}, widths)
        count, size, *times = rows[name]
        assert count == f"{sum(value.numel() for value in model.parameters()):,}"
        assert size == "32"
        median, p95, median_32, p95_32 = map(float, times)
        assert 0 < median <= p95
        assert 0 < median_32 <= p95_32


def test_encoders_take_the_models_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_suite(tmp_path, tasks={"box": {}})
    encoders = ["--encoder", "test_resnet", "--encoder", "test_efficientnet"]
    assert benchmark.main(["inference", str(path), "--repeats", "1", "--size", "64", *encoders]) == 0
    rows = _rows(capsys.readouterr().out)
    assert list(rows) == ["test_resnet", "test_efficientnet"]
    assert all(row[1] == "64" for row in rows.values())


def test_an_encoder_takes_the_place_of_each_experiments_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments = {"one": {"model": {"name": "net0"}}, "two": {}}
    path = write_suite(tmp_path, tasks={"box": {}}, model={"name": "net1"}, experiments=experiments)
    assert benchmark.main(["inference", str(path), "--repeats", "1", "--encoder", "test_resnet"]) == 0
    one, two = capsys.readouterr().out.splitlines()[2:]
    assert one.startswith("one, test_resnet ")
    assert two.split()[2] == one.split()[2]
    assert benchmark.main(["inference", str(path), "--encoder", "test_resnot"]) == 2
    assert "did you mean 'test_resnet'" in capsys.readouterr().err


def test_latency_is_the_median_and_the_95th_percentile(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that goes on by 1, 2, ..., 100 seconds in the calls behind the warm-up."""
    calls, now = [], [0.0]

    def call() -> None:
        calls.append(None)
        now[0] += 1000.0 if len(calls) <= 3 else len(calls) - 3

    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])
    assert timing.latency(call, repeats=100) == (50.5, pytest.approx(95.05))
    assert len(calls) == 103


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none.yaml"], r"none\.yaml"),
        (["{config}", "--encoder", "resnet81"], r"timm has no net 'resnet81'"),
        (["{config}", "--set", "model.widths=[]"], r"widths"),
    ],
)
def test_what_is_wrong_is_told(
    config: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert benchmark.main(["inference", *(each.format(config=config) for each in arguments)]) == 2
    assert re.search(message, capsys.readouterr().err)


def test_images_of_no_one_size_need_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, side in (("cat/a", 8), ("cat/b", 9), ("cat/c", 10), ("dog/a", 8), ("dog/b", 9), ("dog/c", 10)):
        path = tmp_path / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (side, 12)).save(path)
    animal = {"kind": "label", "by_folder": True}
    data = {
        "name": "folders",
        "root": str(tmp_path),
        "inputs": {"image": "images"},
        "targets": {"animal": animal},
    }
    path = write_suite(tmp_path, dataset=data, tasks={"animal": {}}, training={"epochs": 1, "batch_size": 1})
    assert benchmark.main(["inference", str(path)]) == 2
    assert "give --size" in capsys.readouterr().err
    assert benchmark.main(["inference", str(path), "--size", "16", "--repeats", "1"]) == 0


@pytest.mark.parametrize("value", ["0", "-3"])
def test_counts_are_positive(config: Path, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        benchmark.main(["inference", str(config), "--repeats", value])
    assert "must be at least 1" in capsys.readouterr().err
