"""Upsample is PyTorch's bilinear interpolation, forward and backward, in every layout and dtype."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cnnlib.models.layers import Upsample

LAYOUTS = [torch.contiguous_format, torch.channels_last]


def _interpolation(size: int) -> Tensor:
    """What each of 2 * size positions takes from each of size, by NumPy: corners lie on corners."""
    positions = np.linspace(0, size - 1, 2 * size)
    columns = [np.interp(positions, np.arange(size), unit) for unit in np.eye(size)]
    return torch.from_numpy(np.stack(columns, axis=1))


def _gradient(upsample: torch.nn.Module, x: Tensor, grad: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    return torch.autograd.grad(upsample(x), x, grad)[0]


def _slice_of_a_concatenation(grad: Tensor, layout: torch.memory_format) -> Tensor:
    """The gradient as a decoder gets it: no longer dense."""
    return torch.cat([grad, torch.ones_like(grad)], dim=1).to(memory_format=layout)[:, : grad.shape[1]]


@settings(max_examples=25)
@given(
    channels=st.integers(1, 5),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    layout=st.sampled_from(LAYOUTS),
    sliced=st.booleans(),
)
def test_two_matrix_products(
    channels: int, height: int, width: int, layout: torch.memory_format, sliced: bool
) -> None:
    x = torch.randn(2, channels, height, width, dtype=torch.float64).to(memory_format=layout)
    grad = torch.randn(2, channels, 2 * height, 2 * width, dtype=torch.float64)
    rows, columns = _interpolation(height), _interpolation(width)
    torch.testing.assert_close(Upsample()(x), rows @ x @ columns.T)
    given_grad = _slice_of_a_concatenation(grad, layout) if sliced else grad.to(memory_format=layout)
    torch.testing.assert_close(_gradient(Upsample(), x, given_grad), rows.T @ grad @ columns)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 5e-6), (torch.float64, 1e-13), (torch.bfloat16, 0.03)]
)
def test_same_as_torch(dtype: torch.dtype, tolerance: float, layout: torch.memory_format) -> None:
    oracle = torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    torch.manual_seed(0)
    x = torch.randn(2, 16, 6, 7, dtype=dtype).to(memory_format=layout)
    grad = torch.randn(2, 16, 12, 14, dtype=dtype)
    assert torch.equal(Upsample()(x), oracle(x))
    ours = _gradient(Upsample(), x, _slice_of_a_concatenation(grad, layout))
    exact = _gradient(oracle, x.double(), grad.double())
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.double(), exact, atol=tolerance, rtol=0)


def test_the_kernel_gets_a_dense_gradient() -> None:
    """PyTorch's backward kernel crawls on a slice: the reason why this module exists."""
    x = torch.randn(2, 4, 3, 3).to(memory_format=torch.channels_last).requires_grad_()
    y = Upsample()(x)
    arrived: list[Tensor] = []
    y.register_hook(arrived.append)
    torch.cat([y, torch.ones_like(y)], dim=1).sin().sum().backward()
    assert arrived[0].is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_gradcheck(layout: torch.memory_format) -> None:
    x = torch.randn(1, 2, 3, 2, dtype=torch.float64).to(memory_format=layout).requires_grad_()

    def with_neighbour(x: Tensor) -> Tensor:
        return torch.cat([Upsample()(x).sin(), torch.ones(1, 1, 6, 4, dtype=x.dtype)], dim=1)

    assert torch.autograd.gradcheck(with_neighbour, x)
    assert torch.autograd.gradgradcheck(with_neighbour, x)


def test_batched_gradients() -> None:
    """``vmap`` over the backward pass, as gradient-aggregation libraries use it."""
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last).requires_grad_()
    grads = torch.randn(4, 2, 3, 8, 10)
    batched = torch.autograd.grad(Upsample()(x), x, grads, is_grads_batched=True)[0]
    single = torch.stack([_gradient(Upsample(), x, grad) for grad in grads])
    torch.testing.assert_close(batched, single)


def test_autocast_keeps_the_dtype() -> None:
    for dtype in (torch.float32, torch.bfloat16):
        x = torch.randn(1, 2, 3, 3, dtype=dtype).to(memory_format=torch.channels_last).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            y = Upsample()(x)
        y.sum().backward()
        assert y.dtype == x.grad.dtype == dtype
        torch.testing.assert_close(
            y, F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True), atol=0, rtol=0
        )
