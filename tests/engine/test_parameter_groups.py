from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR

from cnnlib.engine.lr_finder import range_test
from cnnlib.engine.optimizer import adamw, sgd
from cnnlib.engine.parameter_groups import learning_rates, parameter_groups, set_learning_rate
from cnnlib.engine.schedule import SCHEDULES, constant, cosine, one_cycle
from cnnlib.types import CnnlibError
from tests.engine.tiny import StagedNet, make_trainer, train_loader

ONE = {"encoder": 1.0, "decoders": 1.0, "heads": 1.0, "per_stage": 1.0}
FACTORS = {"encoder": 0.1, "decoders": 0.5, "heads": 2.0, "per_stage": 0.8}
OF_GROUPS = {
    "encoder.1": 0.1 * 0.8**2,
    "encoder.2": 0.1 * 0.8,
    "encoder.3": 0.1,
    "decoders": 0.5,
    "heads": 2.0,
}
OPTIONS = {
    "step": {"factor": 0.05},
    "one_cycle": {"warmup": 0.2},
    "cosine": {"final_factor": 0.05},
    "plateau": {"patience": 2},
}


def grouped(build=adamw, factors=FACTORS, rate: float = 0.3):
    optimizer = build(parameter_groups(StagedNet(), factors), learning_rate=rate)
    set_learning_rate(optimizer, rate)
    return optimizer


def test_every_parameter_is_in_the_group_of_its_part() -> None:
    net = StagedNet()
    groups = parameter_groups(net, FACTORS)
    assert {group["name"]: group["factor"] for group in groups} == pytest.approx(OF_GROUPS)
    assert [group["name"] for group in parameter_groups(net, ONE | {"encoder": 0.1})] == [
        "encoder",
        "decoders",
        "heads",
    ]
    names = {id(parameter): name for name, parameter in net.named_parameters()}
    held = [(group["name"], names.pop(id(parameter))) for group in groups for parameter in group["params"]]
    assert not names
    for group, name in held:
        part, _, stage = group.partition(".")
        assert name.startswith(f"{part}.{int(stage) - 1}." if stage else f"{part}.")


def test_what_is_neither_encoder_nor_decoder_learns_with_the_heads() -> None:
    net = StagedNet()
    net.dense = nn.Linear(2, 2)
    del net.decoders
    groups = {group["name"]: group["params"] for group in parameter_groups(net, FACTORS)}
    assert {*map(id, groups["heads"])} == {*map(id, [*net.dense.parameters(), *net.heads.parameters()])}
    assert "decoders" not in groups


def test_a_model_without_encoder_or_stages_is_refused() -> None:
    for factors in ({"encoder": 0.5}, {"per_stage": 0.5}):
        with pytest.raises(CnnlibError, match="encoder"):
            parameter_groups(nn.Linear(1, 1), ONE | factors)
    (only,) = parameter_groups(nn.Linear(1, 1), ONE | {"heads": 0.5})
    assert (only["name"], only["factor"], len(only["params"])) == ("heads", 0.5, 2)


def curve(optimizer, build, steps: int = 60, **options) -> list[list[float]]:
    """The learning rates of all groups, step by step; the score rises, then stands still."""
    schedule = build(optimizer, total_steps=steps, **options)
    seen = []
    for step in range(steps):
        seen.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.after_step()
        schedule.after_epoch(min(step, 10.0))
    return seen


@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_keep_the_ratios(name: str) -> None:
    """To rates at which PyTorch's plateau would stop."""
    alone = sgd([nn.Parameter(torch.zeros(1))], learning_rate=0.3)
    single = curve(alone, SCHEDULES[name], **OPTIONS.get(name, {}))
    together = curve(grouped(), SCHEDULES[name], **OPTIONS.get(name, {}))
    for (rate,), rates in zip(single, together, strict=True):
        assert rates == pytest.approx([rate * factor for factor in OF_GROUPS.values()], rel=1e-9, abs=0)
    assert name == "constant" or min(single)[0] < 0.1 * max(single)[0]


def test_one_group_follows_pytorchs_own_schedules_bit_for_bit() -> None:
    def plain() -> SGD:
        return SGD([nn.Parameter(torch.zeros(1))], lr=0.3)

    for ours, theirs in (
        (
            lambda optimizer: cosine(optimizer, 60, warmup=0.0, final_factor=0.1).scheduler,
            lambda optimizer: CosineAnnealingLR(optimizer, T_max=60, eta_min=0.1 * 0.3),
        ),
        (
            lambda optimizer: one_cycle(optimizer, 60).scheduler,
            lambda optimizer: OneCycleLR(
                optimizer,
                0.3,
                total_steps=60,
                div_factor=1 / 0.04,
                final_div_factor=0.04 / 0.0001,
                cycle_momentum=False,
            ),
        ),
    ):
        seen = []
        for build in (ours, theirs):
            optimizer = plain()
            scheduler = build(optimizer)
            rates = []
            for _ in range(59):
                rates.append(optimizer.param_groups[0]["lr"])
                optimizer.step()
                scheduler.step()
            seen.append(rates)
        assert seen[0] == seen[1]


def test_a_group_steps_as_an_optimizer_of_its_own() -> None:
    torch.manual_seed(0)
    net, twin = StagedNet(), StagedNet()
    twin.load_state_dict(net.state_dict())
    optimizer = adamw(parameter_groups(net, FACTORS), learning_rate=0.3)
    set_learning_rate(optimizer, 0.3)
    alone = adamw(twin.encoder[0].parameters(), learning_rate=0.3 * OF_GROUPS["encoder.1"])
    for _ in range(3):
        for one, other in zip(net.parameters(), twin.parameters(), strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        optimizer.step()
        alone.step()
    for one, other in zip(net.encoder[0].parameters(), twin.encoder[0].parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


def test_the_log_has_the_base_and_each_group() -> None:
    found = learning_rates(grouped(rate=0.3))
    assert found.pop("learning_rate") == pytest.approx(0.3)
    assert found == pytest.approx({f"learning_rate/{name}": 0.3 * of for name, of in OF_GROUPS.items()})
    assert learning_rates(adamw(StagedNet().parameters(), learning_rate=0.3)) == {"learning_rate": 0.3}


def test_a_range_test_keeps_factors_and_what_is_frozen(tmp_path: Path) -> None:
    """Its rates are those of a factor of 1."""
    trainer = make_trainer(tmp_path, net=StagedNet, trained={1: 1, 2: None}, schedule=constant)
    net = trainer.model.module
    before = {key: value.clone() for key, value in net.encoder[:2].state_dict().items()}
    trainer.optimizer.param_groups[0]["factor"] = 0.25
    seen: list[float] = []
    trainer.optimizer.optimizer.register_step_pre_hook(
        lambda optimizer, *_: seen.append(optimizer.param_groups[0]["lr"])
    )
    found = range_test(trainer, train_loader())
    assert seen[: len(found.rates)] == pytest.approx([0.25 * rate for rate in found.rates])
    assert all(torch.equal(value, before[key]) for key, value in net.encoder[:2].state_dict().items())
