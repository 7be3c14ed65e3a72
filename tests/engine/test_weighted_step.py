"""A weighting's place in the engine: its input, what is left alone, and what it costs nobody else."""

from __future__ import annotations

import math
from copy import deepcopy
from itertools import combinations
from pathlib import Path

import pytest
import torch
from torch import nn

from cnnlib.engine.lr_finder import range_test
from cnnlib.engine.task_gradients import TaskGradients, cosines
from cnnlib.types import CnnlibError, Combined, TrainingStep
from cnnlib.weighting import FAMO, MGDA, WEIGHTINGS, Fixed, Weighting
from tests.weighting.tiny import (
    RATE,
    TASKS,
    WEIGHTS,
    Net,
    NoisyNet,
    make_batch,
    make_trainer,
    parameters,
    take_step,
    train_loader,
)


class Watching(Weighting):
    """Keeps its input."""

    reads_losses = True
    reads_gradients = True

    def __init__(self) -> None:
        super().__init__(tuple(TASKS))
        self.steps: list[TrainingStep] = []

    def update(self, step: TrainingStep) -> None:
        self.steps.append(step)


def test_fixed_weights_take_the_step_of_the_plain_sum_bit_for_bit(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, Fixed(tuple(TASKS)), net=NoisyNet)
    net = deepcopy(trainer.model.module)
    trainer.train_epoch(train_loader(), 1)

    torch.manual_seed(trainer.seed * 1_000_003 + 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=RATE, fused=True)
    loader = train_loader()
    loader.sampler.epoch = 1
    for batch in loader:
        image = batch["image"].contiguous(memory_format=torch.channels_last)
        total, _ = trainer.objective(net(image), batch)
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
    for key, value in net.state_dict().items():
        assert torch.equal(value, trainer.model.module.state_dict()[key]), key


def test_a_weighting_gets_weighted_losses_of_all_batches_with_a_label(tmp_path: Path) -> None:
    weighting = Watching()
    trainer = make_trainer(tmp_path, weighting)
    batches = [make_batch(range(2)), make_batch(range(2, 4), without=("depth",))]
    net = deepcopy(trainer.model.module)
    take_step(trainer, batches, 4, epoch=2)
    (step,) = weighting.steps
    parts = [trainer.objective(net(batch["image"]), batch)[1] for batch in batches]
    assert (step.seed, step.epoch, step.index, step.tasks) == (7, 2, 4, tuple(TASKS))
    assert step.losses == {
        "mask": pytest.approx(2.0 * sum(part["mask/loss"].item() for part in parts) / 2),
        "depth": pytest.approx(0.5 * parts[0]["depth/loss"].item()),
        "normals": pytest.approx(sum(part["normals/loss"].item() for part in parts) / 2),
    }
    rows = step.jacobian.matrix()
    assert rows.shape == (3, sum(each.numel() for each in net.shared_parameters()))
    torch.testing.assert_close(step.jacobian.gramian, rows.double() @ rows.double().T)


def test_looking_again_sees_the_same_dropout_and_leaves_no_trace(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, FAMO(tuple(TASKS)), net=NoisyNet)
    for group in trainer.optimizer.param_groups:
        group["lr"] = 0.0  # nothing moves, so that nothing but noise could differ
    trainer.model.train()
    batches = [make_batch(range(4)), make_batch(range(4, 8))]
    trainer.begin_step(batches, 1, 0)
    for batch in batches:
        trainer.backward(batch)
    statistics = deepcopy(trainer.model.module.encoder[0][1].state_dict())
    random = torch.get_rng_state()
    trainer.step()
    step = trainer.weighted.step
    assert step.losses_after == pytest.approx(step.losses, rel=1e-5)
    for key, value in statistics.items():
        assert torch.equal(value, trainer.model.module.encoder[0][1].state_dict()[key]), key
    assert torch.equal(torch.get_rng_state(), random)


def test_looking_again_sees_the_new_weights(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, FAMO(tuple(TASKS)))
    batch = make_batch(range(4))
    take_step(trainer, [batch], 0)
    parts = trainer.objective(trainer.model.module(batch["image"]), batch)[1]
    expected = {name: WEIGHTS[name] * parts[f"{name}/loss"].item() for name in TASKS}
    assert trainer.weighted.step.losses_after == pytest.approx(expected, rel=1e-5)


def test_only_logged_tasks_are_no_part_of_the_weighting(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, MGDA(("mask", "depth")), weights=WEIGHTS | {"normals": 0.0})
    row = trainer.train_epoch(train_loader(), 1)
    assert math.isfinite(row["train/normals/loss"])
    assert [key for key in row if key.startswith("weighting/")] == [
        "weighting/mask",
        "weighting/depth",
        "weighting/cosine/mask-depth",
        "weighting/conflict/mask-depth",
    ]


def test_cosines_and_conflicts_are_of_the_steps_in_which_both_tasks_are(tmp_path: Path) -> None:
    weighting = Watching()
    row = make_trainer(tmp_path, weighting).train_epoch(train_loader(), 1)
    rows = [dict(zip(step.tasks, step.jacobian.matrix(), strict=True)) for step in weighting.steps]
    shares = []
    for one, other in combinations(TASKS, 2):
        both = [step for step in rows if one in step and other in step]
        expected = torch.stack(
            [nn.functional.cosine_similarity(step[one], step[other], dim=0) for step in both]
        )
        shares.append((expected < 0).float().mean().item())
        assert row[f"weighting/cosine/{one}-{other}"] == pytest.approx(expected.mean().item(), abs=1e-5)
        assert row[f"weighting/conflict/{one}-{other}"] == pytest.approx(shares[-1])
    assert any(0 < share < 1 for share in shares)


def test_tasks_that_never_share_a_step_have_no_cosine_and_no_conflict(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, MGDA(tuple(TASKS)))
    take_step(trainer, [make_batch(range(4), without=("depth",))], 0)
    take_step(trainer, [make_batch(range(4), without=("mask",))], 1)
    row = trainer.weighted.end_epoch()
    assert math.isnan(row["weighting/cosine/mask-depth"])
    assert math.isnan(row["weighting/conflict/mask-depth"])
    assert row["weighting/conflict/depth-normals"] in (0.0, 1.0)


def test_one_task_alone_logs_no_weights(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, MGDA(("mask",)), weights=dict.fromkeys(TASKS, 0.0) | {"mask": 1.0})
    plain = make_trainer(tmp_path, Fixed(("mask",)), weights=dict.fromkeys(TASKS, 0.0) | {"mask": 1.0})
    row = trainer.train_epoch(train_loader(), 1)
    plain.train_epoch(train_loader(), 1)
    assert not [key for key in row if key.startswith("weighting/")]
    torch.testing.assert_close(parameters(trainer), parameters(plain))


def test_a_model_that_tells_no_shared_parameters_is_refused_by_name(tmp_path: Path) -> None:
    class Closed(Net):
        shared_parameters = property()

    message = "MGDA reads the tasks' gradients.*Closed has no method shared_parameters"
    with pytest.raises(CnnlibError, match=message):
        make_trainer(tmp_path, MGDA(tuple(TASKS)), net=Closed)
    make_trainer(tmp_path, FAMO(tuple(TASKS)), net=Closed)


@pytest.mark.parametrize("name", ["mgda", "famo"])
def test_the_learning_rate_finder_steps_as_training_would(tmp_path: Path, name: str) -> None:
    trainer = make_trainer(tmp_path, WEIGHTINGS[name](tuple(TASKS)))
    found = range_test(trainer, train_loader(all_labelled=True))
    assert 1e-4 < found.suggestion < 10


def test_gradients_that_are_no_numbers_reach_the_check_of_the_loss(tmp_path: Path) -> None:
    trainer = make_trainer(tmp_path, MGDA(tuple(TASKS)))
    batch = make_batch(range(2))
    batch["image"][0, 0, 0, 0] = torch.nan
    take_step(trainer, [batch], 0)
    assert parameters(trainer).isnan().any()


def test_rows_of_parameters_that_a_task_does_not_touch_are_zero() -> None:
    one, other = nn.Parameter(torch.tensor([1.0, 2.0])), nn.Parameter(torch.tensor([[3.0]]))
    gradients = TaskGradients([one, other], 2)
    (3 * one.sum()).backward()
    gradients.take(0)
    (one.sum() + 5 * other.sum()).backward()
    gradients.take(1)
    assert gradients.matrix().tolist() == [[3.0, 3.0, 0.0], [1.0, 1.0, 5.0]]
    assert gradients.gramian.tolist() == [[18.0, 6.0], [6.0, 27.0]]
    assert cosines(gradients.gramian)[0, 1].item() == pytest.approx(6 / math.sqrt(18 * 27))
    gradients.give(Combined(torch.tensor([2.0, -1.0])))
    assert (one.grad.tolist(), other.grad.tolist()) == ([5.0, 5.0], [[-5.0]])
    gradients.give(Combined(torch.zeros(2), torch.tensor([7.0, 8.0, 9.0])))
    assert (one.grad.tolist(), other.grad.tolist()) == ([7.0, 8.0], [[9.0]])


@pytest.mark.parametrize("by_vector", [False, True])
def test_gradients_are_laid_out_as_their_parameters_which_fused_optimizers_count_on(by_vector: bool) -> None:
    weight = nn.Parameter(torch.rand(2, 3, 3, 3).contiguous(memory_format=torch.channels_last))
    factors = torch.rand(2, 3, 3, 3)
    gradients = TaskGradients([weight], 1)
    (weight * factors).sum().backward()
    gradients.take(0)
    vector = gradients.matrix()[0] if by_vector else None
    gradients.give(Combined(torch.ones(1), vector))
    assert weight.grad.stride() == weight.stride()
    assert torch.equal(weight.grad, factors)
