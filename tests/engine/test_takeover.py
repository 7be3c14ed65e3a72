from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cnnlib.engine.optimizer import OPTIMIZERS, adamw, sgd
from cnnlib.engine.parameter_groups import parameter_groups
from cnnlib.engine.takeover import named_state, take_over_optimizer, take_over_weights
from cnnlib.models import MultiTask, ResUNet
from cnnlib.types import CnnlibError, Head
from tests.engine.test_parameter_groups import FACTORS
from tests.engine.tiny import StagedNet

MASK, DEPTH, LABEL = {"mask": Head("map", 1)}, {"depth": Head("map", 1)}, {"label": Head("vector", 5)}


def resunet(
    seed: int, heads: dict[str, Head], widths: tuple[int, ...] = (4, 8), channels: int = 3
) -> nn.Module:
    torch.manual_seed(seed)
    return ResUNet(channels, heads, widths)


def taken(
    child: dict[str, Head], parent: dict[str, Head], **options: bool
) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
    """The states of the parent, of the child before, and of the child after."""
    given, model = resunet(0, parent).state_dict(), resunet(1, child)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    take_over_weights(model, given, **{"weights": True, "heads": False} | options)
    return given, before, model.state_dict()


def assert_origin(states: tuple[dict[str, Tensor], ...], prefixes: tuple[str, ...]) -> None:
    """What begins with one of ``prefixes`` is the parent's, and all else as it was."""
    given, before, after = states
    for key, value in after.items():
        assert torch.equal(value, given[key] if key.startswith(prefixes) else before[key]), key


def test_heads_stay_as_initialised_unless_they_are_asked_for() -> None:
    assert_origin(taken(MASK, MASK), ("encoder.", "decoders."))
    assert_origin(taken(MASK, MASK, heads=True), ("encoder.", "decoders.", "heads."))
    assert_origin(taken(MASK, MASK, heads=True, weights=False), ("heads.",))


def test_a_decoder_of_a_new_task_stays_as_initialised() -> None:
    assert_origin(taken(MASK | DEPTH, MASK | LABEL), ("encoder.", "decoders.mask."))
    assert_origin(taken(LABEL, MASK), ("encoder.",))


def exchanging(seed: int, exchange: str, heads: dict[str, Head]) -> nn.Module:
    torch.manual_seed(seed)
    encoder = {"name": "resunet", "widths": [4, 8]}
    return MultiTask(3, heads, encoder, {"name": "segformer", "channels": 8}, exchange=exchange)


MAPS = {"a": Head("map", 1), "b": Head("map", 3), "c": Head("map", 2)}
OTHERS = {"d": Head("map", 2), "c": Head("map", 4), "a": Head("map", 1)}
"""Of these c has more classes, d is new, b is gone, and the order is another."""


@pytest.mark.parametrize(
    ("exchange", "taken"),
    [
        (
            "padnet",
            "exchange.distillation.a.gate. exchange.distillation.a.tail. exchange.distillation.a.messages.c. "
            "exchange.distillation.c.gate. exchange.distillation.c.tail. exchange.distillation.c.messages.a.",
        ),
        ("mtan", "exchange.attention.a. exchange.attention.c. exchange.between."),
    ],
)
def test_of_an_exchange_the_tasks_in_common_are_taken(exchange: str, taken: str) -> None:
    given, model = exchanging(0, exchange, MAPS).state_dict(), exchanging(1, exchange, OTHERS)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    take_over_weights(model, given, weights=True, heads=False)
    common = ("encoder.", "decoders.a.", "decoders.c.", *taken.split())
    assert_origin((given, before, model.state_dict()), common)
    assert {key for key in given if key.startswith(common)} <= before.keys()


def test_first_predictions_are_heads() -> None:
    given, model = exchanging(0, "padnet", MAPS).state_dict(), exchanging(1, "padnet", MAPS)
    heads = ("heads.", "exchange.first.")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    take_over_weights(model, given, weights=False, heads=True)
    assert_origin((given, before, model.state_dict()), heads)
    with pytest.raises(
        CnnlibError, match=r"exchange\.first\.\S+ is missing .*; give both runs the same tasks, or set heads"
    ):
        take_over_weights(exchanging(1, "padnet", OTHERS), given, weights=True, heads=True)


def test_encoders_that_are_mixed_for_other_tasks_are_refused() -> None:
    given = exchanging(0, "cross_stitch", {"a": MAPS["a"], "b": MAPS["b"]}).state_dict()
    for heads, order in (
        ({"a": MAPS["a"], "c": MAPS["c"]}, "a, c"),
        ({"b": MAPS["b"], "a": MAPS["a"]}, "b, a"),
    ):
        model = exchanging(1, "cross_stitch", heads)
        with pytest.raises(CnnlibError, match=rf"encoders of a, b, and this one those of {order}: .*order"):
            take_over_weights(model, given, weights=True, heads=False)
    same = exchanging(1, "cross_stitch", {"a": MAPS["a"], "b": Head("map", 5)})
    take_over_weights(same, given, weights=True, heads=False)
    assert torch.equal(same.encoder.stitches[0].weight, given["encoder.stitches.0.weight"])


def test_an_exchange_that_the_other_run_has_not_is_refused() -> None:
    given = exchanging(0, "mtan", MAPS).state_dict()
    plain = {key: value for key, value in given.items() if not key.startswith("exchange.")}
    with pytest.raises(
        CnnlibError, match=r"exchange\.\S+ is missing in the other run.*give both runs the same model"
    ):
        take_over_weights(exchanging(1, "mtan", MAPS), plain, weights=True, heads=False)


@pytest.mark.parametrize(
    ("child", "parent", "options", "message"),
    [
        (
            resunet(0, MASK, (4, 8)),
            resunet(0, MASK, (6, 8)),
            {},
            r"encoder\.\S+ is \(6, 3, .* in the other run, and \(4, 3, .* here \(\d+ more tensors differ\); .* model",
        ),
        (resunet(0, MASK, channels=3), resunet(0, MASK, channels=6), {}, r"\(4, 6, .* and \(4, 3, .*inputs"),
        (resunet(0, MASK, (4, 8, 8)), resunet(0, MASK, (4, 8)), {}, r"missing in the other run"),
        (
            resunet(0, LABEL),
            resunet(0, {"label": Head("vector", 4)}),
            {"heads": True},
            r"heads\.label.* is \(4,.* in the other run, and \(5,.* here.*same tasks, or set heads: false",
        ),
        (
            resunet(0, LABEL),
            resunet(0, MASK | LABEL),
            {"heads": True},
            r"heads\.mask.* missing here .*set heads: false",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_and_nothing_is_copied(
    child: nn.Module, parent: nn.Module, options: dict[str, bool], message: str
) -> None:
    before = {key: value.clone() for key, value in child.state_dict().items()}
    with pytest.raises(CnnlibError, match=message):
        take_over_weights(child, parent.state_dict(), **{"weights": True, "heads": False} | options)
    assert all(torch.equal(value, before[key]) for key, value in child.state_dict().items())


def test_a_tensor_that_is_left_over_is_named() -> None:
    """The other encoder computed something else, though all that is here fits."""
    model = StagedNet()
    given = model.state_dict() | {"encoder.3.weight": torch.ones(8, 8)}
    with pytest.raises(
        CnnlibError, match=r"encoder\.3\.weight is \(8, 8\) in the other run, and missing here"
    ):
        take_over_weights(model, given, weights=True, heads=False)
    take_over_weights(model, given, weights=False, heads=True)


def train(net: nn.Module, optimizer: torch.optim.Optimizer, steps: range, frozen: str = "none") -> None:
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for name, parameter in net.named_parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
            if name.startswith(frozen):
                parameter.grad = None
        optimizer.step()


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("in_groups", [False, True])
def test_training_goes_on_as_if_it_had_not_stopped(name: str, in_groups: bool) -> None:
    """Bit for bit, also where the parameters stand in other groups than they did."""
    torch.manual_seed(0)
    whole, first, second = StagedNet(), StagedNet(), StagedNet()
    first.load_state_dict(whole.state_dict())
    optimizer = OPTIMIZERS[name](whole.parameters(), learning_rate=0.01)
    train(whole, optimizer, range(6))

    before = OPTIMIZERS[name](first.parameters(), learning_rate=0.01)
    train(first, before, range(3))
    take_over_weights(second, first.state_dict(), weights=True, heads=True)
    ones = dict.fromkeys(FACTORS, 1.0) | {"per_stage": 0.5}
    parameters = parameter_groups(second, ones) if in_groups else second.parameters()
    after = OPTIMIZERS[name](parameters, learning_rate=0.01)
    take_over_optimizer(after, second, named_state(before, first), heads=True)
    assert {group["lr"] for group in after.param_groups} == {0.01}
    train(second, after, range(3, 6))
    for key, value in whole.state_dict().items():
        assert torch.equal(value, second.state_dict()[key]), key


def test_options_stay_those_of_the_new_optimizer_and_frozen_parameters_begin_anew() -> None:
    parent, child = StagedNet(), StagedNet()
    old = adamw(parent.parameters(), learning_rate=0.5, weight_decay=0.3)
    train(parent, old, range(4), frozen="encoder.0.")
    state = named_state(old, parent)
    assert not any(name.startswith("encoder.0.") for name in state)
    new = adamw(child.parameters(), learning_rate=0.001, weight_decay=0.0)
    take_over_optimizer(new, child, state, heads=False)
    assert (new.param_groups[0]["lr"], new.param_groups[0]["weight_decay"]) == (0.001, 0.0)
    found = named_state(new, child)
    assert found.keys() == {name for name in state if not name.startswith("heads.")}
    assert {float(of["step"]) for of in found.values()} == {4.0}
    train(child, new, range(1))
    steps = {name: float(of["step"]) for name, of in named_state(new, child).items()}
    assert steps["encoder.0.0.weight"] == steps["heads.depth.weight"] == 1
    assert steps["encoder.1.0.weight"] == 5


def test_momentum_may_begin_where_there_was_none() -> None:
    parent, child = StagedNet(), StagedNet()
    old = sgd(parent.parameters(), momentum=0.0)
    train(parent, old, range(2))
    new = sgd(child.parameters(), momentum=0.9)
    take_over_optimizer(new, child, named_state(old, parent), heads=True)
    train(child, new, range(2))
    assert named_state(new, child)["heads.depth.bias"]["momentum_buffer"].abs().sum() > 0
