"""What is added up, with which weights: against a plain sum in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from cnnlib.engine.evaluator import evaluate, mean_score
from cnnlib.engine.objective import Objective
from cnnlib.losses import BCELoss, CombinedLoss, L1Loss, MSELoss
from cnnlib.metrics import METRICS
from cnnlib.tasks import DepthTask, MaskTask
from cnnlib.types import Batch, CnnlibError

TASKS = {"mask": MaskTask(), "depth": DepthTask()}
WEIGHTS = {"mask": 5.0, "depth": 0.5}


def make_batch(count: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    known = torch.ones(count, 1, 4, 4, dtype=torch.bool)
    return {
        "name": [f"{seed}-{index}" for index in range(count)],
        "image": torch.randn(count, 2, 4, 4, generator=generator),
        "mask": (torch.rand(count, 1, 4, 4, generator=generator) > 0.5).float(),
        "depth": 1 + 5 * torch.rand(count, 1, 4, 4, generator=generator),
        "mask_valid": known,
        "depth_valid": known,
    }


class Echo(nn.Module):
    """The image's first channel is the mask's logit, its second the depth's."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"mask": image[:, :1], "depth": image[:, 1:]}


def make_objective() -> Objective:
    losses = {
        "mask": CombinedLoss({"bce": (BCELoss(), 1.0)}),
        "depth": CombinedLoss({"l1": (L1Loss(), 2.0), "mse": (MSELoss(), 0.25)}),
    }
    return Objective(TASKS, losses, WEIGHTS)


def by_hand(batch: Batch) -> dict[str, float]:
    image = batch["image"].double().numpy()
    mask, depth = batch["mask"].numpy(), batch["depth"].double().numpy()
    bce = np.mean(np.log1p(np.exp(image[:, :1])) - mask * image[:, :1])
    error = 0.1 + 9.9 / (1 + np.exp(-image[:, 1:])) - depth
    l1, mse = np.abs(error).mean(), (error**2).mean()
    of_depth = 2 * l1 + 0.25 * mse
    return {
        "loss": 5 * bce + 0.5 * of_depth,
        "mask/loss": bce,
        "depth/loss": of_depth,
        "depth/loss/l1": l1,
        "depth/loss/mse": mse,
    }


def test_the_step_goes_down_the_weighted_sum_of_the_tasks() -> None:
    batch = make_batch(3, 0)
    total, parts = make_objective()(Echo()(batch["image"]), batch)
    assert {"loss": total.item()} | {key: part.item() for key, part in parts.items()} == pytest.approx(
        by_hand(batch)
    )


def test_a_split_s_loss_is_the_mean_over_its_images_not_over_its_batches() -> None:
    batches = [make_batch(4, 1), make_batch(4, 2), make_batch(1, 3)]
    metrics = {name: METRICS[name]() for name in TASKS}
    found = evaluate(Fabric(accelerator="cpu", devices=1), Echo(), batches, make_objective(), metrics)
    for key in by_hand(batches[0]):
        expected = np.average([by_hand(batch)[key] for batch in batches], weights=[4, 4, 1])
        assert found[key] == pytest.approx(expected), key
    error = [(DepthTask().decode(batch["image"][:, 1:]) - batch["depth"]).abs() for batch in batches]
    assert found["depth/mae"] == pytest.approx(torch.cat(error).double().mean().item())


def test_no_loss_is_logged_under_a_metrics_name() -> None:
    """Dice, RMSE and SILog are both."""
    metrics = {f"{name}/{key}" for name in TASKS for key in by_name(name)}
    losses = {
        "mask": CombinedLoss({"dice": (BCELoss(), 1.0), "iou": (BCELoss(), 1.0)}),
        "depth": CombinedLoss({"rmse": (L1Loss(), 1.0), "mae": (L1Loss(), 1.0)}),
    }
    batch = make_batch(2, 0)
    _, parts = Objective(TASKS, losses, WEIGHTS)(Echo()(batch["image"]), batch)
    assert not metrics & parts.keys()


def by_name(task: str) -> set[str]:
    metric = METRICS[task]()
    batch = make_batch(2, 0)
    metric.update(batch[task], batch[task], batch[f"{task}_valid"])
    return set(metric.compute())


@pytest.mark.parametrize(
    ("outputs", "came"),
    [
        (torch.zeros(2, 1, 4, 4), "it returned a Tensor"),
        ({"mask": torch.zeros(2, 1, 4, 4)}, "a mapping of mask$"),
    ],
)
def test_a_model_that_returns_something_else_is_told_what_to_return(outputs: object, came: str) -> None:
    with pytest.raises(CnnlibError, match=rf"mapping of logits \(B, C, H, W\) for mask, depth; .*{came}"):
        make_objective()(outputs, make_batch(2, 0))


def test_a_task_that_could_not_be_scored_is_left_out() -> None:
    numbers = {"mask/iou": 0.9, "depth/mae": math.nan}
    assert mean_score(TASKS, numbers) == 0.9
    assert mean_score(TASKS, numbers | {"depth/mae": 0.99}) == pytest.approx((0.9 + 0.9) / 2)
    assert math.isnan(mean_score(TASKS, {"mask/iou": math.nan, "depth/mae": math.nan}))
