"""The mean target against NumPy's masked mean."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.datasets.statistics import mean_target
from cnnlib.types import CnnlibError, Sample


def make_source(count: int, seed: int) -> list[Sample]:
    generator = torch.Generator().manual_seed(seed)
    return [
        {
            "depth": torch.rand(1, 3, 4, generator=generator) * 10,
            "depth_valid": torch.rand(1, 3, 4, generator=generator) > 0.5,
            "name": str(index),
        }
        for index in range(count)
    ]


@given(count=st.integers(1, 12), seed=st.integers(0, 1000))
def test_equals_a_masked_mean(count: int, seed: int) -> None:
    source = make_source(count, seed)
    masked = np.ma.masked_array(
        np.stack([sample["depth"] for sample in source]),
        ~np.stack([sample["depth_valid"] for sample in source]),
    )
    mean, valid = mean_target(source, "depth")
    assert mean.dtype == torch.float32
    np.testing.assert_array_equal(valid, ~np.ma.getmaskarray(masked.mean(axis=0)))
    overall = masked.mean() if masked.count() else 0.0
    np.testing.assert_allclose(mean, masked.mean(axis=0).filled(overall), rtol=1e-5)


def test_targets_without_a_valid_mask_are_valid() -> None:
    source = [{"mask": torch.full((1, 2, 2), float(value)), "name": "s"} for value in (0, 1, 1, 1)]
    mean, valid = mean_target(source, "mask")
    assert torch.equal(mean, torch.full((1, 2, 2), 0.75))
    assert valid.all()


def test_what_is_invalid_may_be_nan() -> None:
    source = make_source(4, 0)
    for sample in source:
        sample["depth"][~sample["depth_valid"]] = float("nan")
    assert mean_target(source, "depth")[0].isfinite().all()


def test_a_large_source_is_read_in_part_from_end_to_end() -> None:
    read = []

    class Watched(list):
        def __getitem__(self, index: int) -> Sample:
            read.append(index)
            return super().__getitem__(index)

    mean_target(Watched(make_source(101, 0)), "depth", max_samples=5)
    assert read == [0, 25, 50, 75, 100]


def test_faults_are_told() -> None:
    with pytest.raises(CnnlibError, match="the split is empty"):
        mean_target([], "depth")
    with pytest.raises(
        CnnlibError, match=r"sample '0' has no 'mask'; it has \['depth', 'depth_valid', 'name'\]"
    ):
        mean_target(make_source(1, 0), "mask")
    source = [*make_source(1, 0), {"depth": torch.zeros(1, 2, 2), "name": "odd"}]
    with pytest.raises(
        CnnlibError, match=r"'depth' of sample 'odd' is \(1, 2, 2\), the first was \(1, 3, 4\)"
    ):
        mean_target(source, "depth")
