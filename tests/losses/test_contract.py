"""Every loss in the table keeps the contract on all that it compares, with its own options and others.

A loss without a line here is tried with the options that it has by default; one that is symmetric, or needs an option,
has a line.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.loss_contract import CHECKS, LossCase, applies, cases


def constant(target: torch.Tensor) -> torch.Tensor:
    return torch.full_like(target, 3.0)


def peaks(target: torch.Tensor) -> torch.Tensor:
    """Odds without a doubt, at the peak of each map alone."""
    return 1e7 * (target == target.amax((2, 3), keepdim=True))


OWN = (
    LossCase("weighted_bce", {"pos_weight": 3.0}),
    LossCase("focal"),
    LossCase("focal", {"gamma": 0.5, "alpha": 0.25}),
    LossCase("boundary"),
    LossCase("boundary", {"amplitude": 2.0, "radius": 2}),
    LossCase("dice", symmetric=True),
    LossCase("dice", {"smooth": 0.01}, symmetric=True),
    LossCase("jaccard", symmetric=True),
    LossCase("tversky"),
    LossCase("tversky", {"alpha": 0.9, "beta": 0.2}),
    LossCase("focal_tversky"),
    LossCase("focal_tversky", {"gamma": 0.5}),
    *(LossCase(name, symmetric=True) for name in ("l1", "mse", "rmse", "charbonnier", "log_cosh")),
    LossCase("huber", symmetric=True),
    LossCase("huber", {"delta": 0.2}, symmetric=True),
    LossCase("smooth_l1", {"beta": 0.2}, symmetric=True),
    # The threshold follows the largest error without a gradient: test_regression.py has its derivative.
    LossCase("berhu", symmetric=True, gradcheck=False),
    LossCase("berhu", {"threshold": 0.5}, symmetric=True, gradcheck=False),
    LossCase("ssim", symmetric=None),  # the data range is the target's
    LossCase("ssim", {"data_range": 10.0, "sigma": 0.8}, symmetric=True),
    LossCase("ms_ssim", symmetric=None),
    LossCase("ms_ssim", {"data_range": 10.0, "sigma": 1.2}, symmetric=True),
    LossCase("gradient", symmetric=True),
    LossCase("multi_scale_gradient", symmetric=True),
    LossCase("multi_scale_gradient", {"scales": 2}, symmetric=True),
    LossCase("smoothness", best=constant),
    LossCase("smoothness", {"edge_weight": 1.0}, best=constant),
    LossCase("silog", symmetric=True),
    LossCase("silog", {"scale_invariance": 1.0}, symmetric=True),
    LossCase("ssi"),
    LossCase("ssi", {"error": "l1"}, zero=2e-6),
    LossCase("ssi", {"trim": 0.2}),
    LossCase("cosine", symmetric=True),
    LossCase("wing", symmetric=True),
    LossCase("wing", {"width": 0.2, "curvature": 0.1}, symmetric=True),
    LossCase("adaptive_wing"),
    LossCase("adaptive_wing", {"theta": 0.2, "epsilon": 0.3, "foreground_weight": 0.0}),
    LossCase("heatmap_focal", best=peaks),
    LossCase("heatmap_focal", {"alpha": 1.0, "beta": 1.5}, best=peaks),
    LossCase("jensen_shannon", symmetric=True),
    LossCase("giou", symmetric=True),
    # No gradient flows through the weight of the aspect ratio: test_boxes.py has its derivative.
    LossCase("ciou", symmetric=True, gradcheck=False),
)


@pytest.mark.parametrize(
    ("check", "case"),
    [
        pytest.param(check, case, id=f"{check.__name__[6:]}-{case}")
        for check in CHECKS
        for case in cases(OWN)
        if applies(check, case)
    ],
)
def test_contract(check: Callable[[LossCase], None], case: LossCase) -> None:
    check(case)
