from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from cnnlib.engine.memory import MemoryForecast, forecast_memory
from cnnlib.engine.optimizer import OPTIMIZERS
from cnnlib.models import ResUNet


def forecast(model: nn.Module, image: Tensor, optimizer: str = "adamw", **options) -> MemoryForecast:
    given = {"batch_size": 4, "autocast": nullcontext, "copies": 0, "device": torch.device("cpu")} | options
    return forecast_memory(model, OPTIMIZERS[optimizer], image.shape, **given)


def size(tensors) -> int:
    return sum(each.untyped_storage().nbytes() for each in tensors)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weights_gradients_and_states_are_those_of_a_real_step(optimizer: str) -> None:
    model, image = ResUNet(widths=(4, 8)), torch.rand(6, 32, 32)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    random = torch.get_rng_state()
    found = forecast(model, image, optimizer)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())

    real = OPTIMIZERS[optimizer](model.parameters())
    sum(each.mean() for each in model(image[None]).values()).backward()
    real.step()
    states = [value for state in real.state.values() for value in state.values() if isinstance(value, Tensor)]
    held = size([*model.parameters(), *model.buffers(), *states, *(each.grad for each in model.parameters())])
    assert found.weights == held
    assert forecast(model, image, optimizer, copies=1).weights == held + size(model.state_dict().values())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_is_frozen_needs_no_gradient_no_state_and_no_activations(optimizer: str) -> None:
    model, image = ResUNet(widths=(4, 8)), torch.rand(6, 32, 32)
    whole = forecast(model, image, optimizer)
    model.encoder.requires_grad_(False)
    model.encoder.eval()
    found = forecast(model, image, optimizer)
    assert found.parameters == whole.parameters
    assert found.activations < whole.activations

    real = OPTIMIZERS[optimizer](model.parameters())
    sum(each.mean() for each in model(image[None]).values()).backward()
    real.step()
    states = [value for state in real.state.values() for value in state.values() if isinstance(value, Tensor)]
    gradients = [each.grad for each in model.parameters() if each.grad is not None]
    assert found.weights == size([*model.parameters(), *model.buffers(), *states, *gradients])


def test_activations_are_what_the_layers_keep() -> None:
    """The image and the output of ReLU, once each: the second convolution keeps the same tensor."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(inplace=True), nn.Conv2d(8, 1, 1))

        def forward(self, image: Tensor) -> dict[str, Tensor]:
            return {"depth": self.body(image)}

    image = torch.rand(3, 64, 48)
    few, many = (forecast(Net(), image, batch_size=count).activations for count in (1, 5))
    assert many - few == 4 * (3 + 8) * 64 * 48 * 4


def test_a_model_that_looks_at_values_gets_the_exact_part_alone() -> None:
    class Looks(nn.Linear):
        def forward(self, image: Tensor) -> dict[str, Tensor]:
            return {"label": super().forward(image if image.sum().item() > 0 else -image)}

    found = forecast(Looks(4, 2), torch.rand(1, 4, 4))
    assert found.activations is None
    assert "weights, gradients and optimizer need 0.0 GiB" in found.words()


def test_words() -> None:
    found = MemoryForecast(175_859_416, 2 * 2**30, 2**30, 16, 4 * 2**30)
    assert found.words() == "175.9 M parameters; a step of 16 images needs about 3.0 GiB (4.0 GiB are free)"
    assert "\nwarning: that will hardly fit; lower training.batch_size" in replace(found, free=2**30).words()
