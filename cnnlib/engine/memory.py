"""The memory that training will need, estimated before it begins, without computing anything."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call
from torch.optim import Optimizer

_WORKSPACE = 2**28
"""Bytes that PyTorch's kernels take for themselves; measured on a CPU, over seven nets and batches of 1 to 48."""


@dataclass(frozen=True)
class MemoryForecast:
    """What a training step will need, in bytes."""

    parameters: int
    """Their number."""
    weights: int
    """Parameters, buffers, gradients and the optimizer's state (and a moving average's): exact."""
    activations: int | None
    """Of one batch, with the kernels' own; ``None`` where the model cannot be followed without computing."""
    batch_size: int
    free: int
    """Bytes that the device has left for it, the weights that it holds already included."""

    @property
    def total(self) -> int:
        return self.weights + (self.activations or 0)

    def words(self) -> str:
        """``175.9 M parameters; a step of 16 images needs about 3.1 GiB (23.1 GiB are free)``; where it will not fit,
        a second line warns.
        """
        images = "1 image" if self.batch_size == 1 else f"{self.batch_size} images"
        need = f"a step of {images} needs about {_gib(self.total)}"
        if self.activations is None:
            need = f"weights, gradients and optimizer need {_gib(self.total)}, a batch more than that"
        words = f"{self.parameters / 1e6:.1f} M parameters; {need} ({_gib(self.free)} are free)"
        if self.total <= self.free:
            return words
        return (
            f"{words}\nwarning: that will hardly fit; lower training.batch_size (training.accumulate makes up for "
            "it), the images' size or the model's width"
        )


def forecast_memory(
    model: nn.Module,
    make_optimizer: Callable[[Sequence[nn.Parameter]], Optimizer],
    image_shape: Sequence[int],
    batch_size: int,
    autocast: Callable[[], AbstractContextManager[object]],
    copies: int,
    device: torch.device,
    beside: int = 0,
) -> MemoryForecast:
    """A forecast for training on ``device``, from a forward pass over tensors that have shapes and no values.

    What the losses keep is not counted; it is little beside a net's activations.

    Args:
        model: as it will be trained, without ``requires_grad`` where it is frozen; it is not changed.
        make_optimizer: builds the optimizer of the parameters it is given.
        image_shape: of one image, (C, H, W).
        autocast: the context of the forward pass.
        copies: further copies of parameters and buffers that training keeps, such as a moving average.
        beside: further bytes, such as those of the tasks' gradients apart.
    """
    mode = FakeTensorMode(allow_non_fake_inputs=True)  # outside models may hold tensors that are no buffers
    parameters = {
        key: nn.Parameter(mode.from_tensor(each.detach()), requires_grad=each.requires_grad)
        for key, each in model.named_parameters()
    }
    buffers = {key: mode.from_tensor(each) for key, each in model.named_buffers()}
    trained = [each for each in parameters.values() if each.requires_grad]
    own, buffered = _bytes(parameters.values()), _bytes(buffers.values())
    with mode:
        optimizer = make_optimizer(list(parameters.values()))
        for each in trained:
            each.grad = torch.empty_like(each)
        optimizer.step()
    states = [
        value for state in optimizer.state.values() for value in state.values() if isinstance(value, Tensor)
    ]
    return MemoryForecast(
        parameters=sum(each.numel() for each in parameters.values()),
        weights=own + _bytes(trained) + buffered + _bytes(states) + copies * (own + buffered) + beside,
        activations=_activations(model, mode, parameters | buffers, (batch_size, *image_shape), autocast),
        batch_size=batch_size,
        free=free_memory(device) + own + buffered,
    )


def _activations(
    model: nn.Module,
    mode: FakeTensorMode,
    weights: dict[str, Tensor],
    shape: Sequence[int],
    autocast: Callable[[], AbstractContextManager[object]],
) -> int | None:
    """What a forward pass keeps for the backward pass, counted once where it is kept twice."""
    kept: dict[int, Tensor] = {}
    held = {_storage(each) for each in weights.values()}

    def note(tensor: Tensor) -> Tensor:
        if _storage(tensor) not in held:
            kept[_storage(tensor)] = tensor  # which keeps it alive, so that no other gets its address
        return tensor

    try:
        with (
            mode,
            torch.random.fork_rng(devices=[]),
            autocast(),
            saved_tensors_hooks(note, lambda tensor: tensor),
        ):
            image = torch.empty(shape).contiguous(memory_format=torch.channels_last)
            note(image)
            outputs = functional_call(model, weights, (image,))
    except Exception:  # whatever an outside model does with values that are not there
        return None
    del outputs
    return sum(each.untyped_storage().nbytes() for each in kept.values()) + _WORKSPACE


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _bytes(tensors: object) -> int:
    return sum(each.numel() * each.element_size() for each in tensors)


def free_memory(device: torch.device) -> int:
    """Bytes that are free on ``device``; of RAM, those that the system could give without swapping."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        with Path("/proc/meminfo").open() as file:
            fields = dict(line.split(":") for line in file)
        return 1024 * int(fields["MemAvailable"].split()[0])
    except (OSError, KeyError):  # not Linux: all that there is
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
