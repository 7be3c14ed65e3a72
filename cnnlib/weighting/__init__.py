"""Weightings: how the losses of several tasks become one step."""

from cnnlib.weighting.aggregators import (
    CRMOGM,
    IMTLG,
    MGDA,
    AlignedMTL,
    CAGrad,
    ConFIG,
    DualProj,
    ExcessMTL,
    FairGrad,
    GradDrop,
    GradVac,
    NashMTL,
    PCGrad,
    UPGrad,
)
from cnnlib.weighting.base import Weighting
from cnnlib.weighting.dwa import DynamicWeightAverage
from cnnlib.weighting.famo import FAMO
from cnnlib.weighting.fixed import Fixed
from cnnlib.weighting.gls import GeometricLoss
from cnnlib.weighting.gradnorm import GradNorm
from cnnlib.weighting.rlw import RandomLossWeighting
from cnnlib.weighting.uncertainty import Uncertainty

WEIGHTINGS: dict[str, type[Weighting]] = {
    "fixed": Fixed,
    "uncertainty": Uncertainty,
    "dwa": DynamicWeightAverage,
    "rlw": RandomLossWeighting,
    "gls": GeometricLoss,
    "famo": FAMO,
    "gradnorm": GradNorm,
    "mgda": MGDA,
    "pcgrad": PCGrad,
    "graddrop": GradDrop,
    "gradvac": GradVac,
    "cagrad": CAGrad,
    "imtl_g": IMTLG,
    "nash_mtl": NashMTL,
    "aligned_mtl": AlignedMTL,
    "fairgrad": FairGrad,
    "excess_mtl": ExcessMTL,
    "cr_mogm": CRMOGM,
    "config": ConFIG,
    "dual_proj": DualProj,
    "upgrad": UPGrad,
}
