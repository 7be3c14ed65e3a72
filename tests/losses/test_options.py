"""Options out of their range are refused when a loss is built."""

from __future__ import annotations

import inspect
from typing import get_type_hints

import pytest

from cnnlib.losses import LOSSES
from cnnlib.types import CnnlibError

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("name", "option", "value", "expected"),
    [
        ("weighted_bce", "pos_weight", 0.0, "above 0 or 'balanced'"),
        ("weighted_bce", "pos_weight", INF, "a finite number or 'balanced'"),
        ("weighted_bce", "pos_weight", "balance", "a number or 'balanced'"),
        ("focal", "gamma", -0.1, "at least 0"),
        ("focal", "alpha", 0.0, "above 0"),
        ("focal", "alpha", 1.0, "below 1"),
        ("boundary", "amplitude", -1.0, "at least 0"),
        ("boundary", "radius", 0, "at least 1"),
        ("boundary", "radius", 1.5, "an integer"),
        *((name, "smooth", 0.0, "above 0") for name in ("dice", "jaccard", "tversky", "focal_tversky")),
        *(("focal_tversky", option, 0.0, "above 0") for option in ("alpha", "beta", "gamma")),
        *(("tversky", option, -0.5, "above 0") for option in ("alpha", "beta")),
        ("huber", "delta", 0.0, "above 0"),
        ("smooth_l1", "beta", -1.0, "above 0"),
        ("charbonnier", "epsilon", 0.0, "above 0"),
        ("berhu", "threshold", 0.0, "above 0"),
        ("berhu", "threshold", 1.5, "at most 1"),
        *((name, "data_range", 0.0, "above 0") for name in ("ssim", "ms_ssim")),
        *((name, "sigma", 0.2, "at least 0.5") for name in ("ssim", "ms_ssim")),
        ("multi_scale_gradient", "scales", 0, "at least 1"),
        ("smoothness", "edge_weight", -1.0, "at least 0"),
        ("silog", "scale_invariance", -0.1, "at least 0"),
        ("silog", "scale_invariance", 1.5, "at most 1"),
        ("ssi", "trim", -0.1, "at least 0"),
        ("ssi", "trim", 1.0, "below 1"),
        ("ssi", "error", "l2", "'l1' or 'mse'"),
        ("cross_entropy", "label_smoothing", 1.0, "below 1"),
        ("cross_entropy", "label_smoothing", -0.1, "at least 0"),
        ("wing", "width", 0.0, "above 0"),
        ("wing", "curvature", 0.0, "above 0"),
        *(("adaptive_wing", option, 0.0, "above 0") for option in ("omega", "theta", "epsilon")),
        ("adaptive_wing", "alpha", 2.0, "above 2"),
        ("adaptive_wing", "foreground_weight", -1.0, "at least 0"),
        ("heatmap_focal", "alpha", 0.5, "at least 1"),
        ("heatmap_focal", "beta", -0.5, "at least 0"),
    ],
)
def test_out_of_range(name: str, option: str, value: float | str, expected: str) -> None:
    with pytest.raises(CnnlibError) as error:
        LOSSES[name](**{option: value})
    said, _, near = str(error.value).partition(" (did you mean ")
    assert said == f"{option} must be {expected}; it is {value!r}"
    assert near in ("", *(f"'{word}'?)" for word in expected.split("'")[1::2]))


@pytest.mark.parametrize("name", LOSSES)
def test_every_number_must_be_finite_and_every_option_known(name: str) -> None:
    hints = get_type_hints(LOSSES[name].__init__, include_extras=True)
    for option in inspect.signature(LOSSES[name]).parameters:
        if "float" in repr(hints[option]):
            in_list = "list" in repr(hints[option])
            place = rf"{option}\[0\]" if in_list else option
            with pytest.raises(CnnlibError, match=f"{place} must be a finite number.*; it is nan"):
                LOSSES[name](**{option: [NAN] if in_list else NAN})
    with pytest.raises(TypeError, match="unexpected keyword argument 'smoothness_of_it'"):
        LOSSES[name](smoothness_of_it=1.0)
