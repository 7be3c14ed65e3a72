"""The phone locators: the journal's table, the numbers of a plain transcription, and the sizes that they take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlib.models import PhoneLocator, PhoneLocatorDNN
from cnnlib.models.layers import ConvHead, DoubleConv, DownSampling, ResNetV2
from cnnlib.types import CnnlibError, Head

KINDS = {"Vgg": DoubleConv, "DownSampling": DownSampling, "ResnetV2": ResNetV2, "Conv2d": ConvHead}
VECTOR, HEATMAP = {"phone": Head("vector", 2)}, {"phone": Head("map", 1)}
NARROW = (4, 6, 8, 8, 10)


def _table() -> list[tuple[str, str, list[int]]]:
    """The journal's: block, name, and shape without the batch."""
    lines = Path(__file__).with_name("phone_locator_table.txt").read_text().splitlines()[2:]
    rows = [re.fullmatch(r"\| *(\w+) *\| *(\w+) *\| *bx([\dx]+) *\|", line).groups() for line in lines]
    return [(block, name, [int(side) for side in shape.split("x")]) for block, name, shape in rows]


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_every_row_of_the_journals_table() -> None:
    (_, _, image), *journal = _table()
    assert len(journal) == 9
    model = PhoneLocator().to("meta").eval()
    rows: list[tuple[type, list[int]]] = []
    for module in model.modules():
        if isinstance(module, tuple(KINDS.values())):
            module.register_forward_hook(lambda own, _, out: rows.append((type(own), list(out.shape[1:]))))
    with torch.no_grad():
        model(torch.empty(1, *image, device="meta"))
    assert rows == [(KINDS[block], shape) for block, _, shape in journal]


def test_parameters_are_those_of_the_blocks() -> None:
    """By the formulas of 3 x 3 convolutions and normalisations; the journal gives no number."""

    def vgg(fine: int, coarse: int) -> int:
        return (9 * fine * coarse + coarse + 2 * coarse) + (9 * coarse**2 + coarse + 2 * coarse)

    def down(fine: int, coarse: int) -> int:
        return 9 * fine * coarse + 2 * coarse

    def resnet(width: int) -> int:
        return 2 * 2 * (2 * width + 9 * width**2)

    encoder = vgg(3, 32) + down(32, 64) + down(64, 128) + down(128, 256) + down(256, 512)
    encoder += resnet(64) + resnet(128) + resnet(256)
    with torch.device("meta"):
        assert _count(PhoneLocator()) == encoder + 9 * 512 * 2 + 2 == 4_688_290
        dense = 512 * 20 * 30 * 128 + 128 + 128 * 2 + 2
        assert _count(PhoneLocatorDNN()) == encoder + dense == 44_001_058


def _transcription(state: dict[str, Tensor], image: Tensor, training: bool) -> Tensor:
    """The table written down with plain functions; names in ``state`` are all it shares with the model."""

    def conv(x: Tensor, name: str, stride: int = 1) -> Tensor:
        return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride=stride, padding=1)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        if training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        mean, var, weight, bias = (
            each.view(-1, 1, 1) for each in (mean, var, state[f"{name}.weight"], state[f"{name}.bias"])
        )
        return (x - mean) / (var + 1e-5).sqrt() * weight + bias

    def vgg(x: Tensor, name: str) -> Tensor:
        x = norm(conv(x, f"{name}.layers.0"), f"{name}.layers.1").relu()
        return norm(conv(x, f"{name}.layers.3"), f"{name}.layers.4").relu()

    def down(x: Tensor, name: str) -> Tensor:
        return norm(conv(x, f"{name}.0", stride=2), f"{name}.1").relu()

    def branch(x: Tensor, name: str) -> Tensor:
        x = conv(norm(x, f"{name}.0").relu(), f"{name}.2")
        return conv(norm(x, f"{name}.3").relu(), f"{name}.5")

    def resnet(x: Tensor, name: str) -> Tensor:
        alpha = torch.full((len(x), 1, 1, 1), 0.5, dtype=x.dtype)
        if training:
            alpha = torch.rand(2, len(x), 1, 1, 1, dtype=x.dtype)[0]
        return x + alpha * branch(x, f"{name}.branches.0") + (1 - alpha) * branch(x, f"{name}.branches.1")

    x = down(vgg(image, "encoder.blocks.0"), "encoder.downs.0")
    for level in (1, 2, 3):
        x = down(resnet(x, f"encoder.blocks.{level}"), f"encoder.downs.{level}")
    return conv(x, "heads.phone.conv", stride=2).mean((2, 3))


@pytest.mark.parametrize("training", [False, True])
def test_same_numbers_as_a_plain_transcription(training: bool) -> None:
    torch.manual_seed(0)
    model = PhoneLocator(heads=VECTOR, widths=NARROW, dropout=0.0).double().train(training)
    for norm in filter(lambda module: isinstance(module, nn.BatchNorm2d), model.modules()):
        for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            values.uniform_(0.5, 1.5)
    state = {name: values.clone() for name, values in model.state_dict().items()}
    image = torch.rand(2, 3, 64, 96, dtype=torch.float64)
    with torch.no_grad():
        torch.manual_seed(1)
        vector = model(image)["phone"]
        torch.manual_seed(1)
        expected = _transcription(state, image, training)
    assert expected.std() > 1e-3
    torch.testing.assert_close(vector, expected, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("heads", [VECTOR, HEATMAP])
def test_other_sizes_than_multiples_of_32_are_padded_by_repeating_the_edge(heads: dict[str, Head]) -> None:
    torch.manual_seed(0)
    model = PhoneLocator(heads=heads, widths=NARROW).double().eval()
    image = torch.rand(1, 3, 61, 94, dtype=torch.float64)
    padded = torch.cat([image] + [image[:, :, -1:]] * 3, dim=2)
    padded = torch.cat([padded] + [padded[..., -1:]] * 2, dim=3)
    with torch.no_grad():
        expected = model(padded)["phone"]
        torch.testing.assert_close(
            model(image)["phone"], expected if heads is VECTOR else expected[..., :61, :94]
        )


def test_dropout_takes_whole_channels_of_the_bottom_in_training_alone() -> None:
    torch.manual_seed(0)
    model = PhoneLocator(widths=(4, 8, 1000), dropout=0.3)
    bottoms: list[Tensor] = []
    model.heads["phone"].register_forward_pre_hook(lambda _, inputs: bottoms.append(inputs[0] + 0.0))
    before: list[Tensor] = []
    model.dropout.register_forward_pre_hook(lambda _, inputs: before.append(inputs[0]))
    image = torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        model(image)
        model.eval()(image)
    kept = torch.isclose(bottoms[0], before[0] / 0.7).all(dim=(2, 3))
    gone = (bottoms[0] == 0).all(dim=(2, 3))
    assert (kept | gone).all()
    assert abs(gone.float().mean() - 0.3) < 0.05
    assert torch.equal(bottoms[1], before[1])


@pytest.mark.parametrize("make", [PhoneLocator, PhoneLocatorDNN])
def test_vectors_are_computed_in_float32_under_autocast(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    fixed = {"size": (32, 32)} if make is PhoneLocatorDNN else {}
    model = make(widths=NARROW, **fixed).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        vector = model(torch.rand(4, 3, 32, 32))["phone"]
    assert vector.dtype == torch.float32
    assert not torch.equal(vector, vector.bfloat16().float())


def test_one_small_image_is_enough_to_train_on() -> None:
    model = PhoneLocator(heads={**VECTOR, "map": Head("map", 1)}, widths=NARROW)
    sum(value.sum() for value in model(torch.rand(1, 3, 5, 7)).values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


@pytest.mark.parametrize(("first", "knows"), [(100, False), (4, True)])
def test_a_vector_tells_places_by_the_border_alone_and_the_dnn_everywhere(first: int, knows: bool) -> None:
    torch.manual_seed(0)
    image = torch.zeros(2, 3, 256, 256, dtype=torch.float64)
    for each, corner in zip(image, (first, first + 32), strict=True):  # 32: the same place in every halving
        each[:, corner : corner + 20, corner : corner + 20] = 1
    convolutional = PhoneLocator(widths=NARROW).double().eval()
    dnn = PhoneLocatorDNN(widths=NARROW, size=(256, 256)).double().eval()
    with torch.no_grad():
        moved, dnn_moved = (
            float((net(image)["phone"].diff(dim=0)).abs().max()) for net in (convolutional, dnn)
        )
    assert dnn_moved > 1e-6
    assert moved > 1e-8 if knows else moved < 1e-13


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": (8,)}, r"widths must be a list of at least 2; it is \(8,\)"),
        ({"dropout": 1.0}, r"dropout must be below 1; it is 1\.0"),
        ({"heads": {"a.b": Head("map", 1)}}, r"cannot be called 'a\.b'"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    for make in (PhoneLocator, PhoneLocatorDNN):
        with pytest.raises(CnnlibError, match=message):
            make(**arguments)


def test_the_dnn_names_the_size_that_it_takes() -> None:
    model = PhoneLocatorDNN(widths=NARROW, size=[64, 96], hidden=()).eval()
    assert model(torch.rand(1, 3, 64, 96))["phone"].shape == (1, 2)
    with pytest.raises(
        CnnlibError,
        match=r"takes images of 64 x 96 pixels .* and no others.* this one is 96 x 64: resize it to 64 x 96, "
        r"or make the model with size=\(96, 64\)",
    ):
        model(torch.rand(1, 3, 96, 64))
    with pytest.raises(CnnlibError, match=r"at least 32 x 32 pixels; size is 31 x 64"):
        PhoneLocatorDNN(size=(31, 64))
    with pytest.raises(CnnlibError, match="vectors alone, and the task 'phone' asks for a map"):
        PhoneLocatorDNN(heads=HEATMAP)
