"""tools/summary.py: the journal's table of layers, FLOPs by the table's own sizes, memory as training tells it."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from cnnlib.assembly import expect_memory, make_trainer, open_data
from cnnlib.config import load_suite
from cnnlib.models import MultiTask, ResUNet
from cnnlib.models.layer_table import layer_table
from cnnlib.reporting.progress import SilentProgress
from cnnlib.types import Head
from tests.tiny_suite import write_suite
from tools.summary import main

JOURNAL = Path(__file__).parent / "models" / "resunet_table.txt"


def _journal() -> list[tuple[str, list[str], str]]:
    """``Conv2d-1   [-1, 32, 224, 224]   192``: the layer, the shapes of what it gives, its parameters."""
    rows = []
    for line in JOURNAL.read_text().splitlines():
        layer, shapes, parameters = re.fullmatch(r" *(\S+) +(\[.*\]) +([\d,]+)", line).groups()
        rows.append((layer, re.findall(r"-1, ([\d, ]+)", shapes), parameters))
    return rows


def test_the_journals_net_has_the_journals_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_suite(tmp_path, model="resunet")
    assert main([str(path), "--size", "224"]) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if re.match(r" *[A-Z]\w+-\d+ ", line)]
    found = []
    for line in rows:
        layer, _, shapes, parameters = re.fullmatch(r" *(\S+) +(\S*) +(\d[\dx, ]*?) +([\d,]+)", line).groups()
        found.append((layer, [each.replace(" x ", ", ") for each in shapes.split(", ")], parameters))
    assert found == _journal()
    assert "\n11,033,922 parameters, all trained\n" in printed


def test_flops_are_those_of_the_tables_convolutions() -> None:
    """Two for each weight and place; a bias is no multiplication."""
    table = layer_table(ResUNet().to("meta").eval(), (6, 224, 224))
    expected = 0
    for row in table.rows:
        if row.kind == "Conv2d":
            channels, *size = row.shapes[0]
            biases = 0 if "shortcut" in row.name else channels
            expected += 2 * prod(size) * (row.parameters - biases)
    assert table.flops == expected


def test_every_parameter_is_in_one_row() -> None:
    """Of layers that are never called as such, too: a transformer's class token."""
    with torch.device("meta"):
        model = MultiTask(3, {"m": Head("map", 1), "v": Head("vector", 2)}, "test_vit", "dpt").eval()
    table = layer_table(model, (3, 64, 96))
    assert sum(row.parameters for row in table.rows) == table.parameters
    assert "encoder.net.cls_token" in {row.name for row in table.rows if row.kind == "Parameter"}
    assert not any(module._forward_hooks for module in model.modules())


def test_a_known_nets_flops_are_those_that_its_paper_gives() -> None:
    """ResNet-18: 1.8 billion multiplications and additions at 224 x 224 (He et al., CVPR 2016)."""

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = timm.create_model("resnet18")

        def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"label": self.net(image)}

    with torch.device("meta"):
        table = layer_table(Whole().eval(), (3, 224, 224))
    assert table.flops / 2 == pytest.approx(1.8e9, rel=0.02)
    assert table.parameters == 11_689_512


def test_one_table_for_each_distinct_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiments = {
        "a": {},
        "b": {"optimizer.learning_rate": 0.1},
        "c": {"training.batch_size": 8},
        "d": {"model": {"name": "resunet", "widths": [4, 4]}},
    }
    path = write_suite(tmp_path, experiments=experiments, baseline="a")
    assert main([str(path), "--totals"]) == 0
    printed = capsys.readouterr().out
    assert re.findall(r"^in (.*); one image is (.*)$", printed, re.MULTILINE) == [
        ("a, b, c", "6 x 32 x 32"),
        ("d", "6 x 32 x 32"),
    ]
    steps = re.findall(r"^(.*): .* a step of (\d) images needs", printed, re.MULTILINE)
    assert steps == [("a, b", "4"), ("c", "8")]
    assert "Conv2d" not in printed


def test_what_is_frozen_is_not_counted_as_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    experiments = {
        "whole": {},
        "part": {"freeze": {"trained_stages": 0}},
        "later": {"freeze": {"trained_stages": 0, "unfreeze": [{"epoch": 2, "trained_stages": 1}]}},
    }
    model = {"name": "resunet", "widths": [4, 8]}
    path = write_suite(tmp_path, model=model, tasks={"mask": {}}, experiments=experiments, baseline="whole")
    assert main([str(path), "--totals"]) == 0
    net = ResUNet(6, {"mask": Head("map", 1)}, [4, 8])
    counted = {name: sum(each.numel() for each in part.parameters()) for name, part in net.named_children()}
    outside = counted["decoders"] + counted["heads"]
    whole, last = outside + counted["encoder"], sum(e.numel() for e in net.encoder.stages[-1].parameters())
    found = re.findall(r"^(\w+): ([\d,]+) parameters, (.*) trained$", capsys.readouterr().out, re.MULTILINE)
    assert sorted(found) == [
        ("later", f"{whole:,}", f"{outside + last:,}"),
        ("part", f"{whole:,}", f"{outside:,}"),
        ("whole", f"{whole:,}", "all"),
    ]


def test_the_memory_is_what_training_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_suite(tmp_path, freeze={"trained_stages": 1})
    assert main([str(path), "--totals"]) == 0
    (config,) = load_suite(path).experiments.values()
    data = open_data(config, 0)
    told = expect_memory(config, data, make_trainer(config, data, 0, tmp_path, SilentProgress())).words()
    assert told.partition(" (")[0] in capsys.readouterr().out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"name": "resunett"}}, "did you mean 'resunet'"),
        ({"model": {"name": "multi_task", "encoder": "resnet81"}}, "no encoder is named 'resnet81'"),
        ({"model": {"name": "net0"}}, "asks for a map"),
    ],
    ids=["name", "encoder", "heads"],
)
def test_what_is_wrong_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, object], message: str
) -> None:
    assert main([str(write_suite(tmp_path, **changes))]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml" in capsys.readouterr().err
