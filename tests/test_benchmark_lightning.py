"""``tools/benchmark.py lightning``: that both ways train one net in one manner, and what is concluded."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest
import segmentation_models_pytorch as smp
import torch
from scipy.stats import ttest_ind
from torch import Tensor, nn

from cnnlib.engine import optimizer
from cnnlib.engine.trainer import Trainer
from tools import benchmark
from tools.benchmarks import lightning, with_engine
from tools.benchmarks.recipe import Finished, Recipe

PARAMETERS = 14_337_617
"""Of SMP's Unet with resnet18 on six channels and one class."""


@pytest.fixture(scope="module")
def with_lightning() -> ModuleType:
    return pytest.importorskip("tools.benchmarks.with_lightning")


def _ours(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state of SMP's net under the names of ``multi_task``."""
    places = {
        "encoder.": "encoder.net.",
        "decoder.": "decoders.mask.net.",
        "segmentation_head.0.": "heads.mask.conv.",
    }
    return {
        place + key.removeprefix(start): value
        for key, value in state.items()
        for start, place in places.items()
        if key.startswith(start)
    }


def _learned(state: dict[str, Tensor]) -> Tensor:
    """Without the statistics of batch normalisation, which move much farther than what is learned."""
    return _flat({key: value for key, value in state.items() if "running_" not in key})


def _flat(state: dict[str, Tensor]) -> Tensor:
    return torch.cat([value.flatten() for value in state.values() if value.is_floating_point()])


def test_both_take_the_same_steps(with_lightning: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same weights on a single batch, whose order does not matter. With its usual epsilon, Adam turns rounding
    errors of gradients near 0 into whole steps of either sign; with a large one, steps follow the gradients.
    """
    smooth = partial(torch.optim.AdamW, eps=1.0)
    monkeypatch.setattr(torch.optim, "AdamW", smooth)
    monkeypatch.setattr(optimizer, "AdamW", smooth)
    begin = smp.Unet("resnet18", encoder_weights=None, in_channels=6, classes=1).state_dict()
    begin = {key: value.clone() for key, value in begin.items()}

    class Begun(with_lightning.Unet):
        def __init__(self, tuned: bool) -> None:
            super().__init__(tuned)
            self.net.load_state_dict(begin)

    def begun(*arguments: object) -> Trainer:
        trainer = make_trainer(*arguments)
        trainer.model.module.load_state_dict(_ours(begin))
        return trainer

    make_trainer = with_engine.make_trainer
    monkeypatch.setattr(with_lightning, "Unet", Begun)
    monkeypatch.setattr(with_engine, "make_trainer", begun)
    recipe = Recipe(size=64, train=16, val=2, batch_size=16, epochs=3, precision="32-true", workers=0)
    ways = {lightning.LIGHTNING: with_lightning.train, lightning.ENGINE: with_engine.train}
    (runs,) = lightning._in_turns(ways, recipe, seeds=1)
    theirs, ours = runs[lightning.LIGHTNING], runs[lightning.ENGINE]
    assert theirs.parameters == ours.parameters == PARAMETERS
    assert len(theirs.times) == len(ours.times) == recipe.epochs + 1
    assert ours.iou == pytest.approx(theirs.iou, abs=0.0001)
    start, wanted, end = _ours(begin), _ours(theirs.net.state_dict()), ours.net.state_dict()
    assert (_learned(end) - _learned(wanted)).norm() < 0.01 * (_learned(wanted) - _learned(start)).norm()
    assert (_flat(end) - _flat(wanted)).norm() < 0.0005 * (_flat(wanted) - _flat(start)).norm()


def _finished(seconds: Sequence[float], iou: float, inputs: int = 2) -> Finished:
    times = [sum(seconds[:count]) for count in range(len(seconds) + 1)]
    return Finished(nn.Linear(inputs, 1), times, iou)


def test_in_odd_seeds_the_other_is_first() -> None:
    called: list[tuple[str, int]] = []
    ways = {
        name: lambda recipe, seed, folder, name=name: called.append((name, seed)) or _finished([1, 1], seed)
        for name in ("a", "b")
    }
    pairs = [*lightning._in_turns(ways, recipe=None, seeds=3)]
    assert called == [("a", 0), ("b", 0), ("b", 1), ("a", 1), ("a", 2), ("b", 2)]
    assert [list(pair) for pair in pairs] == [["a", "b"]] * 3


@pytest.fixture
def stubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs whose epochs take 9, 2 and 4 seconds, and half of that."""

    def slow(recipe: Recipe, seed: int, folder: Path, tuned: bool) -> Finished:
        return _finished([9.0, 2.0, 4.0], 0.5 + 0.1 * seed)

    def quick(recipe: Recipe, seed: int, folder: Path) -> Finished:
        return _finished([9.0, 1.0, 2.0], 0.52 + 0.1 * seed)

    monkeypatch.setattr(lightning, "_lightning_script", lambda: slow)
    monkeypatch.setattr(lightning.with_engine, "train", quick)


@pytest.mark.usefixtures("stubs")
def test_what_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Images per second of the epochs after the first, each way's, and the conclusions."""
    arguments = [
        "--train",
        "63",
        "--batch-size",
        "10",
        "--epochs",
        "3",
        "--precision",
        "32-true",
        "--size",
        "48",
    ]
    assert benchmark.main(["lightning", *arguments]) == 0
    text = capsys.readouterr().out
    assert "scenes of 48 x 48, 63 in batches of 10, 3 epochs, 32-true" in text
    assert lightning.PLAIN in text
    rows = [line.split() for line in text.splitlines() if line.startswith("seed ")]
    assert rows == [
        ["seed", "0", "20.0", "0.5000", "40.0", "0.5200", "2.00"],
        ["seed", "1", "20.0", "0.6000", "40.0", "0.6200", "2.00"],
        ["seed", "2", "20.0", "0.7000", "40.0", "0.7200", "2.00"],
    ]
    assert "parameters: 3 in both" in text
    assert "trainer ratio 2.00" in text
    assert "difference +0.0200, within the margin" in text
    assert benchmark.main(["lightning", "--tuned", "--seeds", "2"]) == 0
    assert lightning.TUNED in capsys.readouterr().out


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [([0.51, 0.55, 0.49], [0.5, 0.52, 0.53], "within"), ([0.81, 0.85, 0.79], [0.5, 0.52, 0.53], "beyond")],
)
def test_the_margin_is_that_of_a_t_test(one: Sequence[float], other: Sequence[float], verdict: str) -> None:
    interval = ttest_ind(one, other).confidence_interval(0.95)
    difference, margin = lightning.difference_of_means(one, other)
    assert (difference - margin, difference + margin) == pytest.approx([interval.low, interval.high])
    pairs = [
        {lightning.LIGHTNING: _finished([1, 1], theirs), lightning.ENGINE: _finished([1, 1], ours, inputs=1)}
        for ours, theirs in zip(one, other, strict=True)
    ]
    lines = [*lightning.conclusions(pairs)]
    assert lines[0] == "parameters: 3 in Lightning's and 2 in ours: not one net"
    assert f"{difference:+.4f}, {verdict}" in lines[-1]


def test_without_lightning_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pytorch_lightning", None)
    monkeypatch.delitem(sys.modules, "tools.benchmarks.with_lightning", raising=False)
    assert benchmark.main(["lightning"]) == 2
    assert "pip install pytorch-lightning" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--epochs", "--seeds"])
def test_one_epoch_and_one_seed_tell_nothing(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        benchmark.main(["lightning", option, "1"])
    assert "must be at least 2; it is 1" in capsys.readouterr().err
