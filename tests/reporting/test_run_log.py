"""``run.log``: what it tells, and that it is whole whenever a run is killed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from cnnlib.datasets.splits import Subset
from cnnlib.reporting.layers import layers_of, megabytes
from cnnlib.reporting.plain_text import aligned, calibration_lines, confusion_lines, score_lines
from cnnlib.reporting.run_log import RunLog, describe_run
from cnnlib.tasks import LabelTask
from cnnlib.tasks.class_counts import ClassCounts
from cnnlib.types import MetricLogger, TargetInfo

NAMES = ("raccoon", "kangaroo", "Känguru-Maus")
TASK = LabelTask(TargetInfo("label", names=NAMES))


def epoch(number: int) -> dict[str, float]:
    return {
        "epoch": number,
        "seconds": 1.5 * number,
        "learning_rate": 0.01 / number,
        "train/loss": 2.0 / number,
        "val/loss": 2.5 / number,
        "val/label/accuracy": 0.25 * number,
        "val/label/ece": 0.125,
    }


def log(path: Path, rows: list[dict[str, float]]) -> RunLog:
    return RunLog(path, "cnnlib run: suite s", rows, ["val/label/accuracy"])


def table(path: Path) -> list[list[str]]:
    """The words of the table of epochs."""
    after = path.read_text().split("TRAINING\n")[1].splitlines()[1:]
    return [line.split() for line in after[: after.index("") if "" in after else None]]


def counts() -> ClassCounts:
    """Two of three raccoons, the kangaroo, and neither of two mice found."""
    metric = TASK.metric()
    pred = torch.tensor(
        [[0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.35, 0.55, 0.1], [0, 1, 0], [0.9, 0, 0.1], [0.9, 0.1, 0]]
    )
    metric.update(pred, torch.tensor([0, 0, 0, 1, 2, 2]), torch.ones(6, dtype=torch.bool), (8, 8))
    return TASK.class_counts(metric)


def test_it_is_whole_after_every_epoch(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    logger = log(path, [])
    assert isinstance(logger, MetricLogger)
    heads = ["epoch", "train/loss", "val/loss", "val/label/accuracy"]
    assert table(path) == [[*heads, "seconds"]]
    for number in (1, 2):
        logger.log_scalars(epoch(number), number)
        assert table(path)[0] == [*heads, "learning_rate", "seconds"]
        assert [row[0] for row in table(path)[1:]] == [str(each) for each in range(1, number + 1)]
    assert table(path)[2] == ["2", "1.0000", "1.2500", "0.5000", "5.00e-03", "1.5"]
    assert [one.name for one in tmp_path.iterdir()] == ["run.log"]


def test_a_run_that_is_picked_up_tells_each_epoch_once(tmp_path: Path) -> None:
    """It was killed after the second epoch was logged and before it was saved."""
    killed, whole = log(tmp_path / "killed", []), log(tmp_path / "whole", [])
    for number in (1, 2):
        killed.log_scalars(epoch(number), number)
    (tmp_path / "killed").write_bytes((tmp_path / "killed").read_bytes()[:40])  # whatever stands there
    again = log(tmp_path / "killed", [epoch(1)])
    assert [row[0] for row in table(tmp_path / "killed")] == ["epoch", "1"]
    for number in (2, 3):
        again.log_scalars(epoch(number), number)
    for number in (1, 2, 3):
        whole.log_scalars(epoch(number), number)
    assert (tmp_path / "killed").read_text() == (tmp_path / "whole").read_text()


def test_it_ends_with_the_evaluation(tmp_path: Path) -> None:
    logger = log(tmp_path / "run.log", [epoch(1), epoch(2)])
    result = {
        "best_epoch": 2,
        "epochs": 2,
        "seconds": 3.0,
        "test_seconds": 0.5,
        "images_per_second": 12.0,
        "peak_memory_mib": 300.0,
        "test": {"loss": 0.5, "label/accuracy": 0.5, "label/ece": float("nan")},
        "constant": {"label/accuracy": 0.25, "label/ece": 0.125},
    }
    logger.log_result(result, {"label": counts()})
    text = (tmp_path / "run.log").read_text(encoding="utf-8")
    words = [" ".join(line.split()) for line in text.splitlines()]
    for line in (
        "TEST with the weights of epoch 2, the best on the validation split",
        "loss 0.5000",
        "label/accuracy 0.5000 0.2500",
        "label/ece n/a 0.1250",
        "label: confusion matrix, in images",
        "raccoon 2 1 0 67 %",
        "Känguru-Maus 2 0 0 0 %",
        "kangaroo 0.5000 1.0000 0.6667 1",
        "training and validation: 3 s (3.0 s, 2 epochs, 12.0 training images/s)",
        "peak memory: 300 MiB",
    ):
        assert line in words, line


def test_tables_are_aligned() -> None:
    assert aligned([["a", "number"], ["longer", "1"]]) == ["a       number", "longer       1"]
    assert confusion_lines(counts()) == [
        "true \\ predicted  raccoon  kangaroo  Känguru-Maus  right",
        "raccoon                 2         1             0   67 %",
        "kangaroo                0         1             0  100 %",
        "Känguru-Maus            2         0             0    0 %",
    ]
    assert [line.split()[-1] for line in score_lines(counts())] == ["support", "3", "1", "2", "6"]
    bins = [line.split() for line in calibration_lines(counts())]
    assert bins[1] == ["0.533", "to", "0.600", "1", "0.5500", "0.0000"]
    assert sum(int(row[3]) for row in bins[1:-1]) == 6


class Shared(nn.Module):
    """Two convolutions, the second run twice and frozen, a normalization, and a layer that is never run."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.again = nn.Conv2d(4, 4, 1, bias=False).requires_grad_(False)
        self.idle = nn.Linear(2, 5)
        self.dropout = nn.Dropout(0.5)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"mask": self.scale * self.again(self.again(self.dropout(self.norm(self.first(image)))))}


def test_layers_are_told_in_the_order_they_run_in_and_left_as_they_were() -> None:
    torch.manual_seed(0)
    model = Shared()
    model.norm.eval()
    model.idle.weight = nn.Parameter(model.idle.weight.detach())
    before, random = {key: value.clone() for key, value in model.state_dict().items()}, torch.get_rng_state()
    layers = layers_of(model, torch.rand(3, 8, 6, generator=torch.Generator().manual_seed(1)))
    assert [tuple(layer) for layer in layers] == [
        ("first", "Conv2d", "4 x 8 x 6", 112, 112),
        ("norm", "BatchNorm2d", "4 x 8 x 6", 8, 8),
        ("again", "Conv2d", "4 x 8 x 6", 16, 0),
        ("(model)", "Shared", "", 1, 1),
        ("idle", "Linear", "", 15, 15),
    ]
    assert sum(layer.parameters for layer in layers) == sum(each.numel() for each in model.parameters())
    assert (model.training, model.norm.training, model.dropout.training) == (True, False, True)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert not model.first._forward_hooks
    buffers = 4 * 4 * 2 + 8  # mean and variance, and the counter of batches
    assert megabytes(model) == pytest.approx((4 * 152 + buffers) / 1e6)


def test_shared_parameters_count_once() -> None:
    model = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1))
    model[1].weight = model[0].weight
    layers = layers_of(model, torch.rand(3, 4, 4))
    assert [layer.parameters for layer in layers] == [12, 3]
    assert megabytes(model) == pytest.approx(4 * 15 / 1e6)


class Samples:
    """Without pictures: scores of classes only."""

    def __len__(self) -> int:
        return 5

    def label_class(self, index: int) -> str | None:
        return ("kangaroo", "raccoon", None)[index % 3]


class Untold:
    def __len__(self) -> int:
        return 7


def test_it_describes_the_run() -> None:
    splits = {"train": Subset(Samples(), range(5)), "val": Subset(Untold(), range(6)), "test": Untold()}
    text = describe_run(
        "cnnlib run: suite s, experiment e, seed 3",
        "name: s\nseeds: [3]\n",
        {"device": "cpu", "packages": {"torch": "2.9", "numpy": "2.1"}},
        {"image": 3},
        splits,
        {"label": TASK},
        Shared(),
        torch.rand(3, 8, 6),
    )
    lines = text.splitlines()
    assert lines[0] == "cnnlib run: suite s, experiment e, seed 3"
    for line in (
        "seeds: [3]",
        "packages  torch 2.9, numpy 2.1",
        "image: image (3 channels), 8 x 6 pixels (height x width)",
        "train: 5 samples (kangaroo 2, raccoon 2)",
        "val: 6 samples",
        "test: 7 samples",
        "label: label; 3 names: raccoon, kangaroo, Känguru-Maus",
        "parameters: 152 (136 trainable, 16 frozen)",
    ):
        assert line in lines, line
