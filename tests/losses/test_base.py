from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from cnnlib.losses import LOSSES, Loss
from cnnlib.tasks.depth import DepthTask
from cnnlib.tasks.mask import MaskTask
from cnnlib.types import Head, TargetInfo


@pytest.mark.parametrize(
    ("name", "mask", "depth"),
    [
        ("bce", ("logits",), ()),
        ("lovasz", ("logits",), ()),
        ("dice", ("probabilities",), ()),
        ("l1", ("probabilities",), ("lengths",)),
        ("ssim", ("probabilities",), ("lengths",)),
        ("silog", (), ("lengths",)),
        ("cross_entropy", (), ()),
        ("giou", (), ()),
    ],
)
def test_fits_the_tasks_that_have_what_it_compares(
    name: str, mask: tuple[str, ...], depth: tuple[str, ...]
) -> None:
    assert LOSSES[name].compares(MaskTask(TargetInfo("mask"))) == mask
    assert LOSSES[name].compares(DepthTask(TargetInfo("depth"))) == depth


def test_the_order_is_that_of_the_task() -> None:
    class Both(Loss):
        values = frozenset({"coordinates", "heatmaps", "lengths"})

    for values in (("heatmaps", "coordinates"), ("coordinates", "heatmaps")):
        task = SimpleNamespace(head=Head("map", 5), values=("numbers", *values))
        assert Both.compares(task) == values


def test_a_loss_on_neighbours_needs_a_map() -> None:
    task = SimpleNamespace(head=Head("vector", 5), values=("probabilities", "logits"))
    assert LOSSES["dice"].compares(task) == ()
    assert LOSSES["boundary"].compares(task) == ()
    assert LOSSES["l1"].compares(task) == ("probabilities",)
    assert LOSSES["focal"].compares(task) == ("logits",)


def test_one_of_yours_needs_a_forward_and_what_it_compares() -> None:
    class Largest(Loss):
        values = frozenset({"lengths"})

        def forward(
            self, pred: torch.Tensor, target: torch.Tensor, valid: torch.Tensor | None = None
        ) -> torch.Tensor:
            return (pred - target).abs().amax()

    assert Largest()(torch.tensor([1.0, 4.0]), torch.tensor([2.0, 2.0])) == 2
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        Largest(power=2)
