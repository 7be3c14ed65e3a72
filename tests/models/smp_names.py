"""An encoder of each family of segmentation-models-pytorch: the smallest."""

from __future__ import annotations

SMP_NAMES = (
    "resnet18",
    "dpn68",
    "vgg11",
    "se_resnet50",
    "densenet121",
    "inceptionv4",
    "efficientnet-b0",
    "mobilenet_v2",
    "xception",
    "timm-efficientnet-b0",
    "timm-skresnet18",
    "mit_b0",
    "mobileone_s1",
)
