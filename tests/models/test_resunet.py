"""ResUNet is the journal's net: its table, row by row, and the numbers of a plain transcription of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlib.models import ResUNet, ResUNetLite
from cnnlib.models.layers import Decoder, Encoder
from cnnlib.types import CnnlibError, Head


class Row(NamedTuple):
    kind: str
    shapes: list[list[int]]
    parameters: int


def _journal_rows() -> list[Row]:
    """The journal's table: ``Conv2d-1   [-1, 32, 224, 224]   192``; a ``ResBlock`` gives two tensors."""
    rows = []
    for number, line in enumerate(Path(__file__).with_name("resunet_table.txt").read_text().splitlines(), 1):
        kind, index, shapes, parameters = re.fullmatch(r" *(\w+)-(\d+) +(\[.*\]) +([\d,]+)", line).groups()
        assert int(index) == number
        shapes = [[int(n) for n in shape.split(",")[1:]] for shape in re.findall(r"\[(-1[^]]*)\]", shapes)]
        rows.append(Row(kind, shapes, int(parameters.replace(",", ""))))
    return rows


def _rows(model: nn.Module, *image_shape: int) -> list[Row]:
    """What torchsummary prints: a row for every call of a module that is no mere container."""
    rows = []

    def add(module: nn.Module, inputs: Any, output: Any) -> None:
        tensors = [output] if isinstance(output, Tensor) else list(output)
        own = sum(parameter.numel() for parameter in module.parameters(recurse=False))
        rows.append(Row(type(module).__name__, [list(tensor.shape[1:]) for tensor in tensors], own))

    for module in model.modules():
        if module is not model and not isinstance(module, nn.Sequential | Encoder | Decoder):
            module.register_forward_hook(add)
    with torch.no_grad():
        model(torch.empty(1, *image_shape, device="meta"))
    return rows


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("make", [ResUNet, ResUNetLite])
def test_the_default_is_the_journals_pair_of_pictures_to_mask_and_depth(make: type[ResUNet]) -> None:
    with torch.no_grad():
        outputs = make().eval()(torch.rand(1, 6, 32, 32))
    assert {task: value.shape for task, value in outputs.items()} == {
        "mask": (1, 1, 32, 32),
        "depth": (1, 1, 32, 32),
    }


def test_every_row_of_the_journals_table() -> None:
    journal = _journal_rows()
    assert len(journal) == 129
    model = ResUNet().to("meta").eval()
    assert _rows(model, 6, 224, 224) == journal
    assert sum(row.parameters for row in journal) == _count(model) == 11_033_922


def test_lite_has_two_levels_and_a_bottleneck_of_256() -> None:
    model = ResUNetLite().to("meta").eval()
    rows = _rows(model, 6, 64, 64)
    assert _count(model) == 2_634_882
    blocks = [row.shapes for row in rows if row.kind in ("ResBlock", "UpBlock")]
    assert blocks[:2] == [[[64, 32, 32], [64, 64, 64]], [[128, 16, 16], [128, 32, 32]]]
    assert blocks[2:] == [[[128, 32, 32]], [[64, 64, 64]]] * 2
    assert [256, 16, 16] in [row.shapes[0] for row in rows if row.kind == "DoubleConv"]


def _transcription(state: dict[str, Tensor], image: Tensor, training: bool) -> dict[str, Tensor]:
    """The table written down with plain functions; names in ``state`` are all it shares with the model."""

    def conv(x: Tensor, name: str, padding: int = 0) -> Tensor:
        return F.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), padding=padding)

    def norm(x: Tensor, name: str) -> Tensor:
        mean, var = state[f"{name}.running_mean"], state[f"{name}.running_var"]
        if training:
            mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        column = (1, -1, 1, 1)
        return (x - mean.view(column)) / (var.view(column) + 1e-5).sqrt() * weight.view(column) + bias.view(
            column
        )

    def double_conv(x: Tensor, name: str) -> Tensor:
        x = norm(conv(x, f"{name}.layers.0", padding=1), f"{name}.layers.1").relu()
        return norm(conv(x, f"{name}.layers.3", padding=1), f"{name}.layers.4").relu()

    def res_block(x: Tensor, name: str) -> Tensor:
        shortcut = norm(conv(x, f"{name}.shortcut.0"), f"{name}.shortcut.1")
        return (shortcut + double_conv(x, f"{name}.double_conv")).relu()

    def up_block(x: Tensor, skip: Tensor, name: str) -> Tensor:
        x = F.interpolate(x, size=skip.shape[2:], mode="bilinear", align_corners=True)
        return double_conv(torch.cat([x, skip], 1), f"{name}.double_conv")

    a = res_block(image, "encoder.levels.0")
    b = res_block(F.max_pool2d(a, 2), "encoder.levels.1")
    c = res_block(F.max_pool2d(b, 2), "encoder.levels.2")
    d = res_block(F.max_pool2d(c, 2), "encoder.levels.3")
    bottom = double_conv(F.max_pool2d(d, 2), "encoder.bottleneck")
    logits = {}
    for task in ("mask", "depth"):
        x = up_block(bottom, d, f"decoders.{task}.levels.0")
        x = up_block(x, c, f"decoders.{task}.levels.1")
        x = up_block(x, b, f"decoders.{task}.levels.2")
        x = up_block(x, a, f"decoders.{task}.levels.3")
        logits[task] = conv(x, f"heads.{task}")
    return logits


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_same_numbers_as_a_plain_transcription(training: bool, memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    model = ResUNet().double().train(training).to(memory_format=memory_format)
    for norm in filter(lambda module: isinstance(module, nn.BatchNorm2d), model.modules()):
        for values in (norm.weight.data, norm.bias.data, norm.running_mean, norm.running_var):
            values.uniform_(0.5, 1.5)
    state = {name: values.clone() for name, values in model.state_dict().items()}
    image = torch.rand(2, 6, 32, 48, dtype=torch.float64)
    with torch.no_grad():
        logits = model(image.to(memory_format=memory_format))
        expected = _transcription(state, image, training)
    assert list(logits) == list(expected)
    for task, value in expected.items():
        assert value.std() > 1e-3
        torch.testing.assert_close(logits[task], value, atol=1e-9, rtol=1e-9)


def test_odd_sizes_are_padded_by_repeating_the_edge_and_cropped() -> None:
    torch.manual_seed(0)
    model = ResUNetLite(in_channels=1, heads={"mask": Head("map", 1)}, widths=(4, 8)).double().eval()
    image = torch.rand(1, 1, 9, 14, dtype=torch.float64)
    padded = torch.cat([image] + [image[:, :, -1:]] * 3, dim=2)
    padded = torch.cat([padded] + [padded[..., -1:]] * 2, dim=3)
    with torch.no_grad():
        torch.testing.assert_close(model(image)["mask"], model(padded)["mask"][..., :9, :14])


@pytest.mark.parametrize("widths", [(4,), [4, 8, 8, 4, 6]])
def test_any_number_of_levels(widths: list[int]) -> None:
    model = ResUNet(in_channels=1, heads={"x": Head("map", 3)}, widths=widths).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 1, 40, 24))["x"].shape == (1, 3, 40, 24)
    assert model.encoder.stride == 2 ** len(widths)
    assert model.encoder.bottleneck.layers[0].out_channels == 2 * widths[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"widths": ()}, r"widths must be a list of at least 1; it is \(\)"),
        ({"widths": (8, 0)}, r"widths\[1\] must be at least 1; it is 0"),
        ({"widths": (8, 1.5)}, r"widths\[1\] must be an integer; it is 1\.5"),
        ({"in_channels": True}, "in_channels must be an integer; it is True"),
        ({"heads": {"a.b": Head("map", 1)}}, r"cannot be called 'a\.b'"),
        ({"heads": {"": Head("map", 1)}}, "cannot be called ''"),
        ({"heads": {"training": Head("map", 1)}}, "cannot be called 'training'"),
        ({"heads": {"keys": Head("map", 1)}}, "cannot be called 'keys'"),
    ],
)
def test_wrong_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(CnnlibError, match=message):
        ResUNet(**arguments)


def test_a_training_image_too_small_for_normalisation_is_named() -> None:
    model = ResUNetLite(in_channels=1, heads={"x": Head("map", 1)}, widths=(4, 8)).train()
    with pytest.raises(CnnlibError, match=r"one image of 3 x 4 .* larger than 4 pixels"):
        model(torch.rand(1, 1, 3, 4))
    for image in (torch.rand(2, 1, 3, 4), torch.rand(1, 1, 3, 5)):
        assert model(image)["x"].isfinite().all()


def test_compiles_without_graph_breaks() -> None:
    torch.manual_seed(0)
    model = ResUNetLite(in_channels=1, heads={"x": Head("map", 1)}, widths=(4, 8)).to(
        memory_format=torch.channels_last
    )
    image = torch.rand(2, 1, 10, 8).to(memory_format=torch.channels_last)
    gradients = []
    for call in (model, torch.compile(model, backend="aot_eager", fullgraph=True)):
        model.zero_grad()
        call(image)["x"].square().sum().backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-4, rtol=1e-4)


def test_vectors_are_computed_in_float32_under_autocast() -> None:
    torch.manual_seed(0)
    model = ResUNet(in_channels=3, heads={"v": Head("vector", 2)}, widths=(4, 8)).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        vector = model(torch.rand(4, 3, 16, 16))["v"]
    assert vector.dtype == torch.float32
    assert not torch.equal(vector, vector.bfloat16().float())


@pytest.mark.parametrize(("stride", "size"), [(1, (64, 96)), (2, (64, 96)), (4, (60, 92))])
def test_maps_may_be_smaller_than_the_image(stride: int, size: tuple[int, int]) -> None:
    heads = {"points": Head("map", 5), "label": Head("vector", 3)}
    model = ResUNet(3, heads, widths=(8, 16, 32), map_stride=stride)
    outputs = model(torch.rand(2, 3, *size))
    assert outputs["points"].shape == (2, 5, size[0] // stride, size[1] // stride)
    assert outputs["label"].shape == (2, 3)
    assert len(model.decoders["points"].levels) == 3 - {1: 0, 2: 1, 4: 2}[stride]


def test_a_map_stride_that_cannot_be() -> None:
    heads = {"points": Head("map", 5)}
    with pytest.raises(CnnlibError, match=r"multiples of it; they are 63 and 64"):
        ResUNet(3, heads, widths=(8, 16), map_stride=2)(torch.rand(1, 3, 63, 64))
    with pytest.raises(CnnlibError, match=r"map_stride 4 needs an encoder of more levels; there are 2"):
        ResUNet(3, heads, widths=(8, 16), map_stride=4)
