"""Losses: how wrong a prediction is, as one number to minimise.

Each is a function, ``dice_loss(pred, target, valid=None, ...)``, and a thin module twin, ``DiceLoss``. All keep the
promises of ``Loss``. docs/losses.md says what each of them is good for; it is made from the docstrings here.
"""

from cnnlib.losses.base import FunctionLoss, Loss
from cnnlib.losses.bce import BCELoss, FocalLoss, WeightedBCELoss, bce_loss, focal_loss, weighted_bce_loss
from cnnlib.losses.boundary import BoundaryLoss, boundary_loss
from cnnlib.losses.boxes import CIoULoss, GIoULoss, ciou_loss, giou_loss
from cnnlib.losses.combined import CombinedLoss
from cnnlib.losses.cosine import CosineLoss, cosine_loss
from cnnlib.losses.cross_entropy import CrossEntropyLoss, cross_entropy_loss
from cnnlib.losses.gradient import (
    GradientLoss,
    MultiScaleGradientLoss,
    SmoothnessLoss,
    gradient_loss,
    multi_scale_gradient_loss,
    smoothness_loss,
)
from cnnlib.losses.heatmaps import (
    AdaptiveWingLoss,
    HeatmapFocalLoss,
    JensenShannonLoss,
    adaptive_wing_loss,
    heatmap_focal_loss,
    jensen_shannon_loss,
)
from cnnlib.losses.lovasz import LovaszLoss, lovasz_loss
from cnnlib.losses.region import (
    DiceLoss,
    FocalTverskyLoss,
    JaccardLoss,
    TverskyLoss,
    dice_loss,
    focal_tversky_loss,
    jaccard_loss,
    tversky_loss,
)
from cnnlib.losses.regression import (
    BerHuLoss,
    CharbonnierLoss,
    HuberLoss,
    L1Loss,
    LogCoshLoss,
    MSELoss,
    RMSELoss,
    SmoothL1Loss,
    WingLoss,
    berhu_loss,
    charbonnier_loss,
    huber_loss,
    l1_loss,
    log_cosh_loss,
    mse_loss,
    rmse_loss,
    smooth_l1_loss,
    wing_loss,
)
from cnnlib.losses.scale_invariant import SILogLoss, SSILoss, silog_loss, ssi_loss
from cnnlib.losses.ssim import MSSSIMLoss, SSIMLoss, ms_ssim_loss, ssim_loss

LOSSES: dict[str, type[Loss]] = {
    "bce": BCELoss,
    "weighted_bce": WeightedBCELoss,
    "focal": FocalLoss,
    "boundary": BoundaryLoss,
    "dice": DiceLoss,
    "jaccard": JaccardLoss,
    "tversky": TverskyLoss,
    "focal_tversky": FocalTverskyLoss,
    "lovasz": LovaszLoss,
    "l1": L1Loss,
    "mse": MSELoss,
    "rmse": RMSELoss,
    "huber": HuberLoss,
    "smooth_l1": SmoothL1Loss,
    "charbonnier": CharbonnierLoss,
    "log_cosh": LogCoshLoss,
    "berhu": BerHuLoss,
    "ssim": SSIMLoss,
    "ms_ssim": MSSSIMLoss,
    "gradient": GradientLoss,
    "multi_scale_gradient": MultiScaleGradientLoss,
    "smoothness": SmoothnessLoss,
    "silog": SILogLoss,
    "ssi": SSILoss,
    "cross_entropy": CrossEntropyLoss,
    "cosine": CosineLoss,
    "wing": WingLoss,
    "adaptive_wing": AdaptiveWingLoss,
    "heatmap_focal": HeatmapFocalLoss,
    "jensen_shannon": JensenShannonLoss,
    "giou": GIoULoss,
    "ciou": CIoULoss,
}
