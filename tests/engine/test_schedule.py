from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from cnnlib.engine.optimizer import OPTIMIZERS, adam, adamw, sgd
from cnnlib.engine.schedule import SCHEDULES, constant, cosine, one_cycle, plateau, step
from cnnlib.types import CnnlibError

PEAK = 0.5


def rates(build, steps: int, **options) -> list[float]:
    """The learning rate of every step."""
    optimizer = sgd([nn.Parameter(torch.zeros(1))], learning_rate=PEAK)
    schedule = build(optimizer, total_steps=steps, **options)
    seen = []
    for _ in range(steps):
        seen.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.after_step()
    return seen


def test_one_cycle_climbs_to_the_peak_and_falls_to_the_final_factor() -> None:
    seen = rates(one_cycle, 100, warmup=0.3, start_factor=0.1, final_factor=0.001)
    assert seen[0] == pytest.approx(0.1 * PEAK)
    assert max(seen) == pytest.approx(PEAK)
    assert seen.index(max(seen)) == 29
    assert seen[-1] == pytest.approx(0.001 * PEAK)


def test_cosine_follows_the_formula_after_its_climb() -> None:
    seen = rates(cosine, 100, warmup=0.1, final_factor=0.2)
    assert seen[0] == pytest.approx(PEAK / 11)
    expected = [0.2 * PEAK + 0.8 * PEAK * (1 + math.cos(math.pi * step / 90)) / 2 for step in range(90)]
    assert seen[10:] == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 3, 7])
def test_very_short_runs_work(build, steps: int) -> None:
    assert all(0 < rate <= PEAK for rate in rates(build, steps))


@pytest.mark.parametrize(
    ("steps", "at", "factor"), [(200, [0.5], 0.5), (10, [0.3, 0.8], 0.1), (7, [0.5, 0.55], 0.5)]
)
def test_step_falls_at_its_shares_of_the_steps(steps: int, at: list[float], factor: float) -> None:
    falls = [round(share * steps) for share in at]
    expected = [PEAK * factor ** sum(step >= fall for fall in falls) for step in range(steps)]
    assert rates(step, steps, at=at, factor=factor) == pytest.approx(expected)


def test_step_is_steplr_of_half_the_epochs() -> None:
    """LibMTL's: 200 epochs, times 0.5 after 100; here of 3 steps each."""
    optimizer = sgd([nn.Parameter(torch.zeros(1))], learning_rate=PEAK)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=100, gamma=0.5)
    expected = []
    for _ in range(200):
        expected += [optimizer.param_groups[0]["lr"]] * 3
        optimizer.step()
        scheduler.step()
    assert rates(step, 600, at=[0.5]) == pytest.approx(expected)


def test_constant_stays() -> None:
    assert rates(constant, 5) == [PEAK] * 5


@pytest.mark.parametrize(
    ("patience", "scores", "falls"),
    [
        (1, [0.1, 0.2, 0.3, 0.3, 0.4, 0.4], [0, 0, 0, 1, 1, 2]),
        (2, [0.3, 0.3, 0.3, 0.3, 0.3, 0.3], [0, 0, 1, 1, 2, 2]),
        (2, [0.3, 0.2, 0.3000001, 0.3, 0.3, 0.4], [0, 0, 0, 0, 1, 1]),  # any gain counts
        (2, [0.3, math.nan, math.nan], [0, 0, 1]),
    ],
)
def test_plateau_falls_after_so_many_epochs_without_a_gain(
    patience: int, scores: list[float], falls: list[int]
) -> None:
    optimizer = sgd([nn.Parameter(torch.zeros(1))], learning_rate=PEAK)
    schedule = plateau(optimizer, total_steps=10, factor=0.1, patience=patience)
    seen = []
    for score in scores:
        schedule.after_step()
        schedule.after_epoch(score)
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx([PEAK * 0.1**fall for fall in falls])


@pytest.mark.parametrize("steps", [2, 4, 8, 16])
def test_one_cycle_may_climb_for_a_single_step(steps: int) -> None:
    optimizer = sgd([nn.Parameter(torch.zeros(1))], learning_rate=PEAK)
    schedule = one_cycle(optimizer, steps, warmup=1 / steps)
    for _ in range(steps - 1):  # PyTorch divided by zero here
        optimizer.step()
        schedule.after_step()
        assert 0 < optimizer.param_groups[0]["lr"] <= PEAK


@pytest.mark.parametrize("build", SCHEDULES.values(), ids=SCHEDULES)
def test_a_restored_schedule_goes_on_alike(build) -> None:
    def start():
        optimizer = adamw([nn.Parameter(torch.zeros(1))], learning_rate=PEAK)
        return optimizer, build(optimizer, total_steps=20)

    def steps(optimizer, schedule, count: int) -> list[float]:
        seen = []
        for _ in range(count):
            optimizer.step()
            schedule.after_step()
            schedule.after_epoch(0.5)
            seen.append(optimizer.param_groups[0]["lr"])
        return seen

    whole = steps(*start(), 20)
    optimizer, schedule = start()
    first = steps(optimizer, schedule, 8)
    again, restored = start()
    again.load_state_dict(optimizer.state_dict())
    restored.load_state_dict(schedule.state_dict())
    assert first + steps(again, restored, 12) == whole


@pytest.mark.parametrize(
    ("build", "options", "named"),
    [
        (sgd, {"learning_rate": 0}, "learning_rate"),
        (sgd, {"momentum": 1.0}, "momentum"),
        (adamw, {"learning_rate": float("nan")}, "learning_rate"),
        (adamw, {"weight_decay": -1}, "weight_decay"),
    ],
)
def test_impossible_optimizers_are_refused(build, options: dict, named: str) -> None:
    with pytest.raises(CnnlibError, match=named):
        build([nn.Parameter(torch.zeros(1))], **options)


@pytest.mark.parametrize(
    ("build", "options", "named"),
    [
        (one_cycle, {"warmup": 0.0}, "warmup"),
        (one_cycle, {"final_factor": 2.0}, "final_factor"),
        (cosine, {"warmup": 1.0}, "warmup"),
        (plateau, {"factor": 1.0}, "factor"),
        (step, {"at": []}, "at must be a list of at least 1"),
        (step, {"at": [0.5, 1.0]}, r"at\[1\] must be below 1"),
    ],
)
def test_impossible_schedules_are_refused(build, options: dict, named: str) -> None:
    with pytest.raises(CnnlibError, match=named):
        rates(build, 10, **options)


def test_adam_and_adamw_differ_in_their_weight_decay_alone() -> None:
    """In float64: Adam's decay is a part of the gradient, which its first step reduces to a sign; AdamW's is not."""

    def first_step(build, **options) -> float:
        weight = nn.Parameter(torch.tensor([2.0], dtype=torch.float64))
        optimizer = build([weight], learning_rate=0.1, **options)
        (3 * weight).sum().backward()
        optimizer.step()
        return weight.item()

    assert (
        first_step(adam) == pytest.approx(first_step(adamw, weight_decay=0.0)) == pytest.approx(1.9, rel=1e-6)
    )
    assert first_step(adam, weight_decay=0.5) == pytest.approx(1.9, rel=1e-6)
    assert first_step(adamw, weight_decay=0.5) == pytest.approx(2 * (1 - 0.1 * 0.5) - 0.1, rel=1e-6)


@pytest.mark.parametrize("build", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_optimizers_go_downhill(build) -> None:
    weight = nn.Parameter(torch.tensor([3.0]))
    optimizer = build([weight], learning_rate=0.05)
    for _ in range(100):
        optimizer.zero_grad()
        (weight**2).sum().backward()
        optimizer.step()
    assert weight.abs().item() < 0.5
