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
from cnnlib.tasks import DepthTask, MaskTask
from cnnlib.types import Batch, CnnlibError, LossInputs, Target, TargetInfo

TASKS = {"mask": MaskTask(TargetInfo("mask")), "depth": DepthTask(TargetInfo("depth"))}
WEIGHTS = {"mask": 5.0, "depth": 0.5}


def make_batch(count: int, seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    known = torch.ones(count, 1, 4, 4, dtype=torch.bool)
    return {
        "name": [f"{seed}-{index}" for index in range(count)],
        "image": torch.randn(count, 2, 4, 4, generator=generator),
        "mask": Target((torch.rand(count, 1, 4, 4, generator=generator) > 0.5).float(), known),
        "depth": Target(1 + 5 * torch.rand(count, 1, 4, 4, generator=generator), known),
    }


class Echo(nn.Module):
    """The image's first channel is the mask's logit, its second the depth's."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        return {"mask": image[:, :1], "depth": image[:, 1:]}


def make_objective() -> Objective:
    losses = {
        "mask": CombinedLoss({"bce": (BCELoss(), 1.0, "logits")}),
        "depth": CombinedLoss({"l1": (L1Loss(), 2.0, "lengths"), "mse": (MSELoss(), 0.25, "lengths")}),
    }
    return Objective(TASKS, losses, WEIGHTS)


def by_hand(batch: Batch) -> dict[str, float]:
    image = batch["image"].double().numpy()
    mask, depth = batch["mask"].value.numpy(), batch["depth"].value.double().numpy()
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


def test_the_total_is_the_weighted_sum_of_the_tasks() -> None:
    batch = make_batch(3, 0)
    total, parts = make_objective()(Echo()(batch["image"]), batch)
    assert {"loss": total.item()} | {key: part.item() for key, part in parts.items()} == pytest.approx(
        by_hand(batch)
    )


def test_further_predictions_of_a_task_are_trained_like_its_output() -> None:
    batch, objective = make_batch(3, seed=0), make_objective()
    outputs = Echo()(batch["image"])
    further = {"depth.first": outputs["depth"] / 2, "depth.second": outputs["depth"] / 3}
    predicted, trained, parts = objective.task_losses(outputs | further, batch)
    alone = [objective(outputs | {"depth": each}, batch) for each in further.values()]
    plain, of_plain = objective(outputs, batch)
    of_mask = 5 * of_plain["mask/loss"]
    torch.testing.assert_close(objective.total(trained), plain + sum(each - of_mask for each, _ in alone))
    assert objective.total(predicted) == objective(outputs | further, batch)[0] == plain
    assert parts.keys() == of_plain.keys() | {"depth/loss/first", "depth/loss/second"}
    assert parts["depth/loss"] == of_plain["depth/loss"]
    assert parts["depth/loss/second"] == alone[1][1]["depth/loss"]
    with pytest.raises(CnnlibError, match=r"output for 'mask.first' must be \(3, 1, H, W\)"):
        objective(outputs | {"mask.first": outputs["mask"][:, :0]}, batch)


def test_a_split_s_loss_is_the_mean_over_its_images_not_over_its_batches() -> None:
    batches = [make_batch(4, 1), make_batch(4, 2), make_batch(1, 3)]
    metrics = {name: task.metric() for name, task in TASKS.items()}
    found = evaluate(Fabric(accelerator="cpu", devices=1), Echo(), batches, make_objective(), metrics)
    for key in by_hand(batches[0]):
        expected = np.average([by_hand(batch)[key] for batch in batches], weights=[4, 4, 1])
        assert found[key] == pytest.approx(expected), key
    decoded = [TASKS["depth"].decode(batch["image"][:, 1:], (4, 4)) for batch in batches]
    error = [(pred - batch["depth"].value).abs() for pred, batch in zip(decoded, batches, strict=True)]
    assert found["depth/mae"] == pytest.approx(torch.cat(error).double().mean().item())


def test_no_loss_is_logged_under_a_metrics_name() -> None:
    """Dice, RMSE and SILog are both."""
    metrics = {f"{name}/{key}" for name in TASKS for key in by_name(name)}
    losses = {
        "mask": CombinedLoss({"dice": (BCELoss(), 1.0, "logits"), "iou": (BCELoss(), 1.0, "logits")}),
        "depth": CombinedLoss({"rmse": (L1Loss(), 1.0, "lengths"), "mae": (L1Loss(), 1.0, "lengths")}),
    }
    batch = make_batch(2, 0)
    _, parts = Objective(TASKS, losses, WEIGHTS)(Echo()(batch["image"]), batch)
    assert not metrics & parts.keys()


def by_name(task: str) -> set[str]:
    metric = TASKS[task].metric()
    batch = make_batch(2, 0)
    metric.update(batch[task].value, *batch[task], (4, 4))
    return set(metric.compute())


@pytest.mark.parametrize(
    ("outputs", "came"),
    [
        (torch.zeros(2, 1, 4, 4), "it returned a Tensor"),
        ({"mask": torch.zeros(2, 1, 4, 4)}, "a mapping of mask$"),
    ],
)
def test_a_model_that_returns_something_else_is_told_what_to_return(outputs: object, came: str) -> None:
    with pytest.raises(CnnlibError, match=rf"mapping of raw outputs for mask, depth; .*{came}"):
        make_objective()(outputs, make_batch(2, 0))


def test_a_task_that_could_not_be_scored_is_left_out() -> None:
    numbers = {"mask/iou": 0.9, "depth/mae": math.nan}
    assert mean_score(TASKS, numbers) == 0.9
    assert mean_score(TASKS, numbers | {"depth/mae": 0.99}) == pytest.approx((0.9 + 0.9) / 2)
    assert math.isnan(mean_score(TASKS, {"mask/iou": math.nan, "depth/mae": math.nan}))


def without(batch: Batch, task: str, *indices: int) -> Batch:
    """The batch with a task's label missing in some samples; what stands there instead is no number."""
    value, valid = (entry.clone() for entry in batch[task])
    value[list(indices)] = math.nan
    valid[list(indices)] = False
    return batch | {task: Target(value, valid)}


def test_samples_without_a_label_add_nothing_to_their_task_and_count_for_the_others() -> None:
    batch = make_batch(4, 5)
    kept = {
        key: [entry[i] for i in (0, 2)] if isinstance(entry, list) else entry[[0, 2]]
        for key, entry in batch.items()
        if not isinstance(entry, Target)
    } | {task: Target(*(entry[[0, 2]] for entry in batch[task])) for task in TASKS}
    _, all_parts = make_objective()(Echo()(batch["image"]), batch)
    _, kept_parts = make_objective()(Echo()(kept["image"]), kept)
    _, parts = make_objective()(Echo()(batch["image"]), without(batch, "depth", 1, 3))
    assert parts["mask/loss"].item() == pytest.approx(all_parts["mask/loss"].item())
    for key in ("depth/loss", "depth/loss/l1", "depth/loss/mse"):
        assert parts[key].item() == pytest.approx(kept_parts[key].item())


def test_a_task_without_any_label_in_a_batch_is_logged_as_nothing_and_trains_nothing() -> None:
    batch = without(make_batch(3, 6), "depth", 0, 1, 2)
    image = batch["image"].requires_grad_()
    total, parts = make_objective()(Echo()(image), batch)
    assert parts["depth/loss"].isnan()
    assert total.item() == pytest.approx(5 * parts["mask/loss"].item())
    total.backward()
    assert (image.grad[:, 1] == 0).all()
    assert (image.grad[:, 0] != 0).any()
    metrics = {name: task.metric() for name, task in TASKS.items()}
    fabric = Fabric(accelerator="cpu", devices=1)
    found = evaluate(fabric, Echo(), [batch, make_batch(3, 7)], make_objective(), metrics)
    assert found["depth/loss"] == pytest.approx(by_hand(make_batch(3, 7))["depth/loss"])
    assert metrics["depth"].per_image()["mae"].isnan().tolist() == [True] * 3 + [False] * 3


def test_only_trained_tasks_choose_the_best_epoch() -> None:
    objective = Objective(TASKS, make_objective().losses, {"mask": 1.0, "depth": 0.0})
    assert list(objective.trained) == ["mask"]


@pytest.mark.parametrize("shape", [(2, 1), (2, 2, 4, 4), (3, 1, 4, 4), (2, 4, 4)])
def test_an_output_of_another_shape_than_the_heads_is_named(shape: tuple[int, ...]) -> None:
    batch = make_batch(2, 0)
    outputs = Echo()(batch["image"]) | {"depth": torch.zeros(shape)}
    with pytest.raises(CnnlibError, match=r"the model's output for 'depth' must be \(2, 1, H, W\); it is "):
        make_objective()(outputs, batch)


def test_a_map_of_pixels_must_have_the_images_size() -> None:
    batch = make_batch(2, 0)
    outputs = Echo()(batch["image"]) | {"depth": torch.zeros(2, 1, 2, 4)}
    with pytest.raises(CnnlibError, match=r"'depth' must have the image's size, 4 x 4: .* it is 2 x 4"):
        make_objective()(outputs, batch)


def test_what_is_only_logged_cannot_spoil_what_is_trained() -> None:
    batch = make_batch(3, 8)
    image = batch["image"].requires_grad_()
    outputs = Echo()(image)
    outputs["depth"] = outputs["depth"] * torch.nan
    total, parts = Objective(TASKS, make_objective().losses, {"mask": 1.0, "depth": 0.0})(outputs, batch)
    total.backward()
    assert total.item() == pytest.approx(parts["mask/loss"].item())
    assert image.grad[:, 0].isfinite().all()
    terms = {"l1": (L1Loss(), 1.0, "lengths"), "mse": (MSELoss(), 0.0, "lengths")}
    pred, target, valid = torch.full((2, 1), 1e30), torch.ones(2, 1), torch.ones(2, 1, dtype=torch.bool)
    loss, logged = CombinedLoss(terms)(lambda values: LossInputs(pred, target, valid), image)
    assert loss.isfinite()
    assert logged["mse"].isinf()
