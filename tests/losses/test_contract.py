"""Every loss in the table keeps the contract, with its own options and others."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from cnnlib.losses import LOSSES
from tests.loss_contract import CHECKS, LossCase, applies


def constant(target: torch.Tensor) -> torch.Tensor:
    return torch.full_like(target, 3.0)


CASES = (
    LossCase("bce", "mask"),
    LossCase("weighted_bce", "mask", {"pos_weight": 3.0}),
    LossCase("focal", "mask"),
    LossCase("focal", "mask", {"gamma": 0.5, "alpha": 0.25}),
    LossCase("boundary", "mask"),
    LossCase("boundary", "mask", {"amplitude": 2.0, "radius": 2}),
    LossCase("dice", "mask", symmetric=True),
    LossCase("dice", "mask", {"smooth": 0.01}, symmetric=True),
    LossCase("jaccard", "mask", symmetric=True),
    LossCase("tversky", "mask"),
    LossCase("tversky", "mask", {"alpha": 0.9, "beta": 0.2}),
    LossCase("focal_tversky", "mask"),
    LossCase("focal_tversky", "mask", {"gamma": 0.5}),
    LossCase("lovasz", "mask"),
    *(
        LossCase(name, kind, symmetric=True)
        for name in ("l1", "mse", "rmse", "huber", "smooth_l1", "charbonnier", "log_cosh")
        for kind in ("mask", "depth")
    ),
    LossCase("huber", "depth", {"delta": 0.2}, symmetric=True),
    LossCase("smooth_l1", "depth", {"beta": 0.2}, symmetric=True),
    LossCase("charbonnier", "depth", {"epsilon": 0.1}, symmetric=True),
    # The threshold follows the largest error without a gradient: test_robust.py has its derivative.
    LossCase("berhu", "mask", symmetric=True, gradcheck=False),
    LossCase("berhu", "depth", {"threshold": 0.5}, symmetric=True, gradcheck=False),
    LossCase("ssim", "mask", symmetric=True),
    LossCase("ssim", "depth"),
    LossCase("ssim", "depth", {"data_range": 10.0, "sigma": 0.8}, symmetric=True),
    LossCase("ms_ssim", "mask", symmetric=True),
    LossCase("ms_ssim", "depth", {"data_range": 10.0, "sigma": 1.2}, symmetric=True),
    LossCase("gradient", "depth", symmetric=True),
    LossCase("multi_scale_gradient", "depth", symmetric=True),
    LossCase("multi_scale_gradient", "depth", {"scales": 2}, symmetric=True),
    LossCase("smoothness", "depth", best=constant),
    LossCase("smoothness", "depth", {"edge_weight": 1.0}, best=constant),
    LossCase("silog", "depth", symmetric=True),
    LossCase("silog", "depth", {"scale_invariance": 1.0}, symmetric=True),
    LossCase("ssi", "depth"),
    LossCase("ssi", "depth", {"error": "l1"}, zero=2e-6),
    LossCase("ssi", "depth", {"trim": 0.2}),
    LossCase("cross_entropy", "semantic"),
    LossCase("cosine", "normals", symmetric=True),
)


def test_every_loss_has_a_case_for_every_kind_of_task() -> None:
    promised = {(name, kind) for name, loss in LOSSES.items() for kind in loss.tasks}
    assert {(case.name, case.kind) for case in CASES} == promised


@pytest.mark.parametrize(
    ("check", "case"),
    [
        pytest.param(check, case, id=f"{check.__name__[6:]}-{case}")
        for check in CHECKS
        for case in CASES
        if applies(check, case)
    ],
)
def test_contract(check: Callable[[LossCase], None], case: LossCase) -> None:
    check(case)
