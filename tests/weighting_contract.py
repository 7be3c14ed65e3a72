"""What every weighting promises; each function takes a name of the table and a folder, and checks one promise."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cnnlib.engine.checkpoint import load_checkpoint
from cnnlib.engine.trainer import Trainer
from cnnlib.types import Batch
from cnnlib.weighting import WEIGHTINGS
from cnnlib.weighting.randomness import step_seed
from tests.engine.tiny import Recorder
from tests.weighting.oracles import ORACLES, Oracle
from tests.weighting.tiny import (
    NET,
    RATE,
    TASKS,
    WEIGHTS,
    NoisyNet,
    losses_by_hand,
    make_batch,
    make_trainer,
    parameters,
    take_step,
    train_loader,
    val_loader,
)

Promise = Callable[[str, Path], None]
BATCHES = [make_batch(range(first, first + 4)) for first in (0, 4, 8, 12)]
PAIRS = [f"{one}-{other}" for one, other in itertools.combinations(TASKS, 2)]


def trainer_of(name: str, folder: Path, **options: object) -> Trainer:
    return make_trainer(folder, WEIGHTINGS[name](tuple(TASKS)), **options)


def step_by_hand(net: nn.Module, oracle: Oracle, batch: Batch, seed: int) -> None:
    """A step of gradient descent on a float64 net."""
    losses = losses_by_hand(net, batch)
    shared, own = list(net.shared_parameters()), list(net.heads.parameters())
    rows, plain = [], []
    for loss in losses.values():
        gradients = torch.autograd.grad(loss, shared + own, retain_graph=True, allow_unused=True)
        rows.append(torch.cat([each.flatten() for each in gradients[: len(shared)]]))
        plain.append(gradients[len(shared) :])
    factors, aggregated = oracle(torch.stack([*losses.values()]), torch.stack(rows), seed)
    with torch.no_grad():
        for parameter, gradient in zip(
            shared, aggregated.split([each.numel() for each in shared]), strict=True
        ):
            parameter -= RATE * gradient.view_as(parameter)
        for factor, gradients in zip(factors, plain, strict=True):
            for parameter, gradient in zip(own, gradients, strict=True):
                if gradient is not None:
                    parameter -= RATE * factor * gradient
        oracle.after(torch.stack([*losses_by_hand(net, batch).values()]))


def steps_as_in_float64(name: str, folder: Path) -> None:
    trainer, oracle = trainer_of(name, folder), ORACLES[name](len(TASKS))
    net = deepcopy(trainer.model.module).double()
    for index, batch in enumerate(BATCHES):
        take_step(trainer, [batch], index)
        step_by_hand(net, oracle, batch, step_seed(trainer.weighted.step))
        expected = torch.cat([each.detach().flatten() for each in net.parameters()])
        torch.testing.assert_close(parameters(trainer).double(), expected, rtol=1e-5, atol=1e-5)


def lowers_the_losses(name: str, folder: Path) -> None:
    trainer = trainer_of(name, folder)
    totals = []
    for index in range(60):
        trainer.begin_step(BATCHES[:1], 1, index)
        total, _ = trainer.backward(BATCHES[0])
        trainer.step()
        totals.append(total.item())
    assert parameters(trainer).isfinite().all()
    assert totals[-1] < totals[0] - 0.01


def accumulates_to_the_step_of_the_larger_batch(name: str, folder: Path) -> None:
    found = []
    for groups in ([[make_batch(range(8))], [make_batch(range(8, 16))]], [BATCHES[:2], BATCHES[2:]]):
        trainer = trainer_of(name, folder)
        for index, group in enumerate(groups):
            take_step(trainer, group, index)
        found.append(parameters(trainer))
    torch.testing.assert_close(*found, rtol=1e-4, atol=1e-6)


def leaves_out_a_task_without_a_label(name: str, folder: Path) -> None:
    """As if it were not trained; its head stays, and it has no weight in the log."""
    batches = [make_batch(range(4), without=("normals",)), make_batch(range(4, 8), without=("normals",))]
    trainer = trainer_of(name, folder)
    without = make_trainer(folder, WEIGHTINGS[name](("mask", "depth")), weights=WEIGHTS | {"normals": 0.0})
    head = trainer.model.module.heads["normals"].weight.detach().clone()
    take_step(trainer, batches, 0)
    take_step(without, batches, 0)
    torch.testing.assert_close(parameters(trainer), parameters(without), rtol=1e-5, atol=1e-7)
    assert torch.equal(trainer.model.module.heads["normals"].weight, head)
    assert WEIGHTINGS[name].constant or "normals" not in trainer.weighted.step.tasks
    take_step(trainer, BATCHES[:2], 1)
    assert not torch.equal(trainer.model.module.heads["normals"].weight, head)
    take_step(trainer, [make_batch(range(2), without=TASKS)], 2)  # nothing to learn from
    take_step(trainer, [make_batch(range(2), without=("mask", "depth"))], 3)  # one task alone
    assert parameters(trainer).isfinite().all()


def steps_nowhere_without_any_label(name: str, folder: Path) -> None:
    trainer = trainer_of(name, folder)
    before = parameters(trainer)
    take_step(trainer, [make_batch(range(2), without=TASKS)], 0)
    assert torch.equal(parameters(trainer), before)


def steps_alike_in_bfloat16(name: str, folder: Path) -> None:
    steps = []
    for precision in ("32-true", "bf16-mixed"):
        trainer = trainer_of(name, folder, precision=precision)
        before = parameters(trainer)
        take_step(trainer, BATCHES[:2], 0)
        steps.append(parameters(trainer) - before)
    assert all(step.isfinite().all() and step.any() for step in steps)
    # GradDrop draws signs: where a gradient is nearly 0, bfloat16 may turn one.
    assert torch.cosine_similarity(*steps, dim=0) > (0.97 if name == "graddrop" else 0.99)


def clips_what_it_has_made(name: str, folder: Path) -> None:
    trainer = trainer_of(name, folder, clip_norm=1e-3)
    before = parameters(trainer)
    take_step(trainer, BATCHES[:2], 0)
    assert (parameters(trainer) - before).norm().item() == pytest.approx(RATE * 1e-3, rel=1e-3)


def leaves_frozen_stages_alone(name: str, folder: Path) -> None:
    for trained in (1, 0):
        trainer = trainer_of(name, folder, trained_stages=trained)
        trainer.enter_training(1)
        before = deepcopy(trainer.model.module.state_dict())
        take_step(trainer, BATCHES[:2], 0)
        moved = {
            key
            for key, value in trainer.model.module.state_dict().items()
            if not torch.equal(value, before[key])
        }
        frozen = tuple(f"encoder.{stage}." for stage in range(2 - trained))
        assert moved == {key for key in before if not key.startswith(frozen)}


def goes_on_as_if_never_interrupted(name: str, folder: Path) -> None:
    options = {"net": NoisyNet, "momentum": 0.9, "accumulate": 2, "clip_norm": 1.0, "epochs": 4}
    trainer_of(name, folder / "whole", **options).fit(train_loader(), val_loader())
    broken = trainer_of(name, folder / "broken", recorder=Recorder(fail_at=(4, 3)), **options)
    with pytest.raises(KeyboardInterrupt):
        broken.fit(train_loader(), val_loader())
    resumed = trainer_of(name, folder / "broken", **options)
    assert resumed.resume()
    resumed.fit(train_loader(), val_loader())
    whole, again = (load_checkpoint(folder / each / "last.ckpt", NET) for each in ("whole", "broken"))
    for key, value in whole["model"].items():
        assert torch.equal(value, again["model"][key]), (
            f"{key}: does state_dict hold all that weights depend on?"
        )
    assert _plain(whole["weighting"]) == _plain(again["weighting"])


def _plain(state: object) -> object:
    """Tensors as lists, which can be compared."""
    if isinstance(state, dict):
        return {key: _plain(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [_plain(value) for value in state]
    return state.tolist() if isinstance(state, Tensor) else state


def tells_its_weights_and_the_cosines(name: str, folder: Path) -> None:
    trainer = trainer_of(name, folder, epochs=1)
    (row,) = trainer.fit(train_loader(all_labelled=True), val_loader()).history
    cosines = {key: value for key, value in row.items() if key.startswith("weighting/cosine/")}
    pairs = PAIRS if WEIGHTINGS[name].reads_gradients else []
    assert list(cosines) == [f"weighting/cosine/{pair}" for pair in pairs]
    assert all(-1 <= value <= 1 for value in cosines.values())
    conflicts = {key: value for key, value in row.items() if key.startswith("weighting/conflict/")}
    assert list(conflicts) == [f"weighting/conflict/{pair}" for pair in pairs]
    assert all(0 <= value <= 1 for value in conflicts.values())
    weights = [row[f"weighting/{task}"] for task in TASKS]
    assert all(torch.tensor(weights).isfinite())
    assert name != "fixed" or weights == [*WEIGHTS.values()]
    assert sum(key.startswith("weighting/") for key in row) == len(TASKS) + 2 * len(pairs)


WEIGHTING_CONTRACT: tuple[Promise, ...] = (
    steps_as_in_float64,
    lowers_the_losses,
    accumulates_to_the_step_of_the_larger_batch,
    leaves_out_a_task_without_a_label,
    steps_nowhere_without_any_label,
    steps_alike_in_bfloat16,
    clips_what_it_has_made,
    leaves_frozen_stages_alone,
    goes_on_as_if_never_interrupted,
    tells_its_weights_and_the_cosines,
)
