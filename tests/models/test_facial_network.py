"""FacialNetwork is the journal's listing, line by line; its lean variant takes and gives the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlib.models import FacialNetwork, FacialNetworkLite
from cnnlib.types import CnnlibError, Head

LISTING = Path(__file__).with_name("facial_network_listing.txt").read_text()
BOTH = pytest.mark.parametrize("make", [FacialNetwork, FacialNetworkLite])
SMALL = {"size": (40, 32), "widths": (4, 6), "hidden": (7, 5), "heads": {"face": Head("vector", 4)}}


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def full() -> FacialNetwork:
    with torch.device("meta"):
        return FacialNetwork()


def test_every_layer_of_the_journals_listing(full: FacialNetwork) -> None:
    journal = re.findall(r"^  \(\w+\): (.*)$", LISTING, re.MULTILINE)
    assert len(journal) == 10
    layers = []
    for module in full.modules():
        if isinstance(module, nn.Linear):
            layers.append(f"Linear({module.extra_repr()})")
        elif isinstance(module, nn.Conv2d | nn.MaxPool2d | nn.Dropout):
            layers.append(repr(module))
    repeated = journal[:2]  # the journal applies one pooling and one dropout again and again
    assert [layer for layer in layers if layer not in repeated] == journal[2:]
    assert [layers.count(layer) for layer in repeated] == [4, 7]
    assert _count(full) == 175_859_416


def test_every_shape_of_the_journals_listing(full: FacialNetwork) -> None:
    journal = [[int(side) for side in shape.split(",")] for shape in re.findall(r"Size\(\[(.*)\]\)", LISTING)]
    assert len(journal) == 10
    shapes: list[list[int]] = []
    for module in (*full.encoder, *full.dense, full.heads["face"]):
        module.register_forward_hook(lambda *call: shapes.append(list(call[2].shape)))
    with torch.no_grad():
        full(torch.empty(journal[0], device="meta"))
    assert shapes == journal[1:]


def test_lite_is_a_hundredth() -> None:
    with torch.device("meta"):
        model = FacialNetworkLite()
        assert model(torch.empty(2, 1, 224, 224))["face"].shape == (2, 136)
    convolutions = sum(
        9 * fine * coarse + 2 * coarse for fine, coarse in ((1, 16), (16, 32), (32, 64), (64, 96), (96, 128))
    )
    linear = 128 * 7 * 7 * 256 + 256 + 256 * 136 + 136
    assert _count(model) == convolutions + linear == 1_830_584


def test_same_numbers_as_a_plain_transcription() -> None:
    torch.manual_seed(0)
    model = FacialNetwork(**SMALL).double().eval()
    image = torch.rand(3, 1, 40, 32, dtype=torch.float64)
    x: Tensor = image
    state = model.state_dict()
    for block in (0, 1):
        x = F.conv2d(x, state[f"encoder.{block}.0.weight"], state[f"encoder.{block}.0.bias"])
        x = F.relu(F.max_pool2d(x, 2))
    x = x.flatten(1)
    for layer in (1, 2):
        x = F.relu(x @ state[f"dense.{layer}.0.weight"].T + state[f"dense.{layer}.0.bias"])
    expected = x @ state["heads.face.weight"].T + state["heads.face.bias"]
    assert expected.std() > 1e-3
    with torch.no_grad():
        torch.testing.assert_close(model(image)["face"], expected, atol=1e-12, rtol=1e-12)


def test_dropout_is_settable() -> None:
    image = torch.rand(1, 1, 40, 32)
    with torch.no_grad():
        without = FacialNetwork(**SMALL, dropout=0.0).train()
        assert torch.equal(without(image)["face"], without.eval()(image)["face"])
        model = FacialNetwork(**SMALL, dropout=0.8)
        assert not torch.equal(model(image)["face"], model(image)["face"])
        before, after = model.encoder[0][:3](image), model.encoder[0](image)
    gone = (after == 0)[before > 0].float().mean()
    assert abs(gone - 0.8) < 0.05
    assert {layer.p for layer in model.modules() if isinstance(layer, nn.Dropout)} == {0.8}


def _weights(model: nn.Module) -> list[nn.Conv2d | nn.Linear]:
    return [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]


@BOTH
@pytest.mark.parametrize("initialization", ["xavier", "he"])
def test_initial_weights_have_the_variance_of_the_paper(make: type[nn.Module], initialization: str) -> None:
    torch.manual_seed(0)
    model = make(
        size=(40, 32),
        widths=(32, 40),
        hidden=(90, 80),
        heads={"face": Head("vector", 50)},
        initialization=initialization,
    )
    layers = _weights(model)
    assert len(layers) == 5
    for layer in layers:
        area = layer.weight[0, 0].numel() if layer.weight.ndim == 4 else 1
        fan_out, fan_in = layer.weight.shape[0] * area, layer.weight.shape[1] * area
        variance = 2 / fan_in if initialization == "he" else 2 / (fan_in + fan_out)
        count = layer.weight.numel()
        assert abs(float(layer.weight.detach().var()) / variance - 1) < 5 * (2 / count) ** 0.5
        if initialization == "xavier":
            assert layer.weight.abs().max() <= (3 * variance) ** 0.5
        else:
            assert layer.weight.abs().max() > 2 * variance**0.5
        assert layer.bias is None or (layer.bias == 0).all()


def test_pytorchs_own_initialization_is_left_alone() -> None:
    torch.manual_seed(0)
    ours = FacialNetwork(**SMALL).encoder[0][0]
    torch.manual_seed(0)
    plain = nn.Conv2d(1, 4, kernel_size=5)
    assert torch.equal(ours.weight, plain.weight)
    assert torch.equal(ours.bias, plain.bias)


@BOTH
def test_another_size_is_refused_with_the_one_it_takes(make: type[nn.Module]) -> None:
    model = make(**{**SMALL, "heads": {"face": Head("vector", 4)}})
    with pytest.raises(
        CnnlibError,
        match=rf"{make.__name__} takes images of 40 x 32 pixels \(height x width\) and no others.* this one is "
        r"32 x 40: resize it to 40 x 32, or make the model with size=\(32, 40\)",
    ):
        model(torch.rand(1, 1, 32, 40))


@pytest.mark.parametrize(
    ("make", "least"), [(FacialNetwork, {1: 6, 2: 16, 4: 76}), (FacialNetworkLite, {1: 2, 2: 4, 4: 16})]
)
def test_the_least_size_is_the_one_that_leaves_a_pixel(make: type[nn.Module], least: dict[int, int]) -> None:
    for blocks, side in least.items():
        options: dict[str, Any] = {"widths": (3,) * blocks, "hidden": (), "heads": {"x": Head("vector", 1)}}
        model = make(size=(side, side), **options)
        assert model.features(torch.rand(2, 1, side, side)).shape == (2, 3, 1, 1)
        with pytest.raises(
            CnnlibError, match=rf"at least {side} x {side} pixels; size is {side} x {side - 1}"
        ):
            make(size=(side, side - 1), **options)


@BOTH
def test_wrong_arguments_are_named(make: type[nn.Module]) -> None:
    with pytest.raises(CnnlibError, match="vectors alone, and the task 'face' asks for a map"):
        make(heads={"face": Head("map", 68)})
    with pytest.raises(CnnlibError, match=r"size must be a list of at most 2; it is \[224, 224, 1\]"):
        make(size=[224, 224, 1])
    with pytest.raises(CnnlibError, match=r"dropout must be at least 0; it is -0\.1"):
        make(dropout=-0.1)
    with pytest.raises(
        CnnlibError, match="initialization must be 'pytorch', 'xavier' or 'he'; it is 'zeros'"
    ):
        make(initialization="zeros")


@BOTH
def test_coordinates_are_computed_in_float32_under_autocast(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    model = make(**SMALL).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        vector = model(torch.rand(4, 1, 40, 32))["face"]
    assert vector.dtype == torch.float32
    assert not torch.equal(vector, vector.bfloat16().float())
