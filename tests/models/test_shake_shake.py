"""Shake-Shake: the paper's formulas in float64, and chance where the paper wants it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from cnnlib.models.layers import ResNetV2, ShakeShake
from cnnlib.models.layers.shake_shake import shake

IMAGES = 2000


def _four(*shape: int) -> list[Tensor]:
    """Two branches and two coefficients per image."""
    torch.manual_seed(0)
    ones = (shape[0], *[1] * (len(shape) - 1))
    branches = [torch.randn(shape, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    return [*branches, *[torch.rand(ones, dtype=torch.float64) for _ in range(2)]]


def _drawn(seed: int, images: int = IMAGES) -> tuple[Tensor, Tensor, Tensor]:
    """Alpha, beta, and what the second branch's gradient is, read off branches of ones and zeros: (images, 3) each."""
    a = torch.ones(images, 3, 1, 1, dtype=torch.float64, requires_grad=True)
    b = torch.zeros_like(a, requires_grad=True)
    torch.manual_seed(seed)
    mixed = ShakeShake()(a, b)
    mixed.sum().backward()
    return mixed.detach().flatten(1), a.grad.flatten(1), b.grad.flatten(1)


@pytest.mark.parametrize("shape", [(3, 2, 4, 5), (4, 7)])
def test_forward_and_backward_are_the_papers_formulas(shape: tuple[int, ...]) -> None:
    a, b, alpha, beta = _four(*shape)
    mixed = shake(a, b, alpha, beta)
    mixed.square().sum().backward()
    x, y, forward, backward = (tensor.detach().numpy() for tensor in (a, b, alpha, beta))
    expected = forward * x + (1 - forward) * y
    np.testing.assert_allclose(mixed.detach(), expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(a.grad, backward * 2 * expected, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(b.grad, (1 - backward) * 2 * expected, rtol=1e-12, atol=1e-12)


def test_with_equal_coefficients_it_is_an_ordinary_function() -> None:
    a, b, alpha, _ = _four(2, 3, 2, 2)
    assert torch.autograd.gradcheck(lambda a, b: shake(a, b, alpha, alpha).sin(), (a, b))
    assert torch.autograd.gradgradcheck(lambda a, b: shake(a, b, alpha, alpha).sin(), (a, b))


def test_each_image_has_coefficients_of_its_own() -> None:
    alpha, beta, rest = _drawn(seed=0)
    for coefficient in (alpha, beta):
        assert torch.equal(coefficient, coefficient[:, :1].expand(-1, 3))
        assert len(coefficient[:, 0].unique()) == IMAGES
        assert stats.kstest(coefficient[:, 0], "uniform").pvalue > 0.001
    torch.testing.assert_close(rest, 1 - beta)


def test_forward_and_backward_are_independent_and_so_are_images() -> None:
    alpha, beta, _ = (values[:, 0] for values in _drawn(seed=1))
    for one, other in ((alpha, beta), (alpha[1:], alpha[:-1]), (beta[1:], beta[:-1])):
        assert abs(stats.pearsonr(one, other).statistic) < 4 / IMAGES**0.5


def test_the_seed_decides() -> None:
    first, again, other = _drawn(seed=3), _drawn(seed=3), _drawn(seed=4)
    assert all(torch.equal(one, two) for one, two in zip(first, again, strict=True))
    assert not any(torch.equal(one, two) for one, two in zip(first, other, strict=True))


def test_evaluation_takes_the_mean_and_draws_nothing() -> None:
    a, b, *_ = _four(3, 2, 4, 5)
    before = torch.get_rng_state()
    mixed = ShakeShake().eval()(a, b)
    mixed.sum().backward()
    np.testing.assert_allclose(
        mixed.detach(), 0.5 * a.detach().numpy() + 0.5 * b.detach().numpy(), rtol=1e-15
    )
    assert (a.grad == 0.5).all()
    assert (b.grad == 0.5).all()
    assert torch.equal(torch.get_rng_state(), before)


def test_several_backward_passes_see_one_beta() -> None:
    """As task weightings need them: one pass per task, also batched by ``vmap``."""
    a, b, *_ = _four(3, 2, 4, 5)
    mixed = ShakeShake()(a, b)
    grads = torch.randn(4, *a.shape, dtype=torch.float64)
    single = [torch.autograd.grad(mixed, (a, b), grad, retain_graph=True) for grad in grads]
    batched = torch.autograd.grad(mixed, (a, b), grads, is_grads_batched=True)
    for index, gradient in enumerate(batched):
        torch.testing.assert_close(gradient, torch.stack([pair[index] for pair in single]))


def test_the_dtype_stays() -> None:
    a = torch.randn(2, 3, 4, 4, dtype=torch.bfloat16, requires_grad=True)
    mixed = ShakeShake()(a, a.detach().neg())
    mixed.sum().backward()
    assert mixed.dtype == a.grad.dtype == torch.bfloat16


def test_a_block_compiles_without_graph_breaks() -> None:
    torch.manual_seed(0)
    block = ResNetV2(4)
    x = torch.randn(2, 4, 6, 6)
    results = []
    for call in (block, torch.compile(block, backend="aot_eager", fullgraph=True)):
        block.zero_grad()
        torch.manual_seed(1)
        y = call(x)
        y.square().sum().backward()
        results.append([y.detach(), *[parameter.grad.clone() for parameter in block.parameters()]])
    torch.testing.assert_close(results[0], results[1], atol=1e-4, rtol=1e-4)
