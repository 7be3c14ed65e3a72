"""Net0 to Net6: what the ankle journal changes from one to the next, and nothing else."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cnnlib.models import MODELS, Net0, Net3, Net4, Net5, Net6
from cnnlib.types import CnnlibError, Head

NETS = [MODELS[f"net{number}"] for number in range(7)]
EACH = pytest.mark.parametrize("make", NETS)
LABEL = {"label": Head("vector", 3)}


def _layers(make: type[nn.Module]) -> list[nn.Module]:
    """In the order of computation, without containers."""
    return [layer for layer in make().modules() if not list(layer.children())]


def _of(make: type[nn.Module], kind: type[nn.Module]) -> list[nn.Module]:
    return [layer for layer in _layers(make) if isinstance(layer, kind)]


def test_what_each_net_changes() -> None:
    convolutions = [len(_of(make, nn.Conv2d)) for make in NETS]
    assert convolutions == [3, 4, 5, 5, 5, 5, 4]
    strides = [{layer.stride for layer in _of(make, nn.Conv2d)} for make in NETS]
    assert strides == [{(2, 2)}] * 3 + [{(1, 1)}] * 4
    assert [len(_of(make, nn.MaxPool2d)) for make in NETS] == [0, 0, 0, 5, 5, 5, 4]
    assert [len(_of(make, nn.BatchNorm2d)) for make in NETS] == [0, 0, 0, 0, 5, 5, 4]
    assert [{layer.p for layer in _of(make, nn.Dropout)} - {0.0} for make in NETS] == [set()] * 5 + [
        {0.2}
    ] * 2
    assert [len(_of(make, nn.Linear)) for make in NETS] == [2] * 7


def test_what_no_net_changes() -> None:
    """The channels of the convolutions that two nets share, and the linear layers' widths."""
    widths = [[layer.out_channels for layer in _of(make, nn.Conv2d)] for make in NETS]
    assert all(own == widths[2][: len(own)] for own in widths)
    assert len({tuple(layer.out_features for layer in _of(make, nn.Linear)) for make in NETS}) == 1


@pytest.mark.parametrize("make", [Net0, Net3, Net4])
def test_same_numbers_as_a_plain_transcription(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    model = make(in_channels=2, heads=LABEL).double().eval()
    image = torch.rand(3, 2, 40, 56, dtype=torch.float64)
    state, x = model.state_dict(), image
    pooled, normalised = make is not Net0, make is Net4
    for layer in range(3 if make is Net0 else 5):
        name = f"encoder.{layer}"
        x = F.conv2d(x, state[f"{name}.0.weight"], state.get(f"{name}.0.bias"), 1 if pooled else 2, padding=1)
        if normalised:
            x = x / (1 + 1e-5) ** 0.5  # the statistics at the start
        x = F.max_pool2d(x.relu(), 2, ceil_mode=True) if pooled else x.relu()
    x = _grid_means(x).flatten(1)
    x = (x @ state["dense.1.0.weight"].T + state["dense.1.0.bias"]).relu()
    expected = x @ state["heads.label.weight"].T + state["heads.label.bias"]
    assert expected.std() > 1e-3
    with torch.no_grad():
        torch.testing.assert_close(model(image)["label"], expected, atol=1e-10, rtol=1e-10)


def _grid_means(x: Tensor) -> Tensor:
    """Over 4 x 4 places, each from the floor of its beginning to the ceiling of its end."""
    height, width = x.shape[2:]
    rows = [[x[:, :, _part(i, height), _part(j, width)].mean((2, 3)) for j in range(4)] for i in range(4)]
    return torch.stack([torch.stack(row, dim=2) for row in rows], dim=2)


def _part(index: int, length: int) -> slice:
    return slice(index * length // 4, -(-(index + 1) * length // 4))


@EACH
def test_weights_start_as_he_et_al_say(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    for layer in make().modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            fan_in = layer.weight[0].numel()
            count = layer.weight.numel()
            assert abs(float(layer.weight.detach().var()) * fan_in / 2 - 1) < 5 * (2 / count) ** 0.5
            assert layer.bias is None or (layer.bias == 0).all()


@EACH
def test_stages_are_the_convolutional_layers(make: type[nn.Module]) -> None:
    encoder = make().encoder
    parts = [{id(each) for each in (*stage.parameters(), *stage.buffers())} for stage in encoder.stages]
    assert set.union(*parts) == {id(each) for each in (*encoder.parameters(), *encoder.buffers())}
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert len(parts) == sum(isinstance(layer, nn.Conv2d) for layer in encoder.modules())


@pytest.mark.parametrize("make", [Net5, Net6])
def test_dropout_is_settable_and_in_the_linear_layers(make: type[nn.Module]) -> None:
    torch.manual_seed(0)
    model, image = make(heads=LABEL, dropout=0.3).train(), torch.rand(2, 3, 64, 64)
    assert [layer.p for layer in model.dense.modules() if isinstance(layer, nn.Dropout)] == [0.3]
    assert not any(isinstance(layer, nn.Dropout) for layer in model.encoder.modules())
    assert not torch.equal(model(image)["label"], model(image)["label"])
    without = make(heads=LABEL, dropout=0.0).train()
    assert torch.equal(without(image)["label"], without(image)["label"])


@EACH
def test_wrong_arguments_are_named(make: type[nn.Module]) -> None:
    with pytest.raises(
        CnnlibError, match=rf"{make.__name__} gives vectors alone, and the task 'mask' asks for a map"
    ):
        make(heads={"mask": Head("map", 1)})
    with pytest.raises(CnnlibError, match="in_channels must be at least 1; it is 0"):
        make(in_channels=0)


def test_a_training_image_too_small_for_normalisation_is_named() -> None:
    image = torch.rand(1, 3, 32, 30)
    with pytest.raises(CnnlibError, match=r"one image of 32 x 30 .* larger than 32 pixels"):
        Net4().train()(image)
    assert Net3().train()(image)["label"].shape == (1, 3)
    assert Net4().eval()(image)["label"].shape == (1, 3)
    assert Net4().train()(torch.rand(1, 3, 33, 30))["label"].shape == (1, 3)
