"""What every metric of the table promises: a split's numbers do not depend on how it is cut into batches."""

from __future__ import annotations

import copy
import itertools
import pickle

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cnnlib.metrics import METRICS, PerImageSums

IMAGES = 7
KINDS = pytest.mark.parametrize("kind", METRICS)


def _split(kind: str, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions, targets and valid masks of ``IMAGES`` images; some targets are empty, one is all invalid."""
    generator = torch.Generator().manual_seed(seed)
    pred, target = torch.rand(2, IMAGES, 1, 5, 6, generator=generator)
    valid = torch.rand(IMAGES, 1, 5, 6, generator=generator) > 0.3
    valid[2] = False
    if kind == "mask":
        return pred, (target > torch.linspace(0, 1.2, IMAGES).view(-1, 1, 1, 1)).float(), valid
    return pred * 5 + 0.1, (target * 6 - 1).clamp(min=0), valid


def _measured(kind: str, *split: Tensor, sizes: list[int] | None = None) -> PerImageSums:
    metric = METRICS[kind]()
    for batch in zip(*(part.split(sizes or IMAGES) for part in split), strict=True):
        metric.update(*batch)
    return metric


def _assert_same(one: dict[str, float], other: dict[str, float]) -> None:
    assert one == pytest.approx(other, rel=1e-12, abs=1e-12, nan_ok=True)


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(sorted(METRICS)),
    cuts=st.sets(st.integers(1, IMAGES - 1)),
    seed=st.integers(0, 1000),
)
def test_any_cut_into_batches_gives_the_same(kind: str, cuts: set[int], seed: int) -> None:
    split = _split(kind, seed)
    edges = [0, *sorted(cuts), IMAGES]
    sizes = [stop - start for start, stop in itertools.pairwise(edges)]
    whole, pieces = _measured(kind, *split), _measured(kind, *split, sizes=sizes)
    _assert_same(whole.compute(), pieces.compute())
    for name, values in whole.per_image().items():
        torch.testing.assert_close(values, pieces.per_image()[name], equal_nan=True)


@KINDS
def test_per_image_is_each_image_on_its_own_in_order(kind: str) -> None:
    split = _split(kind)
    per_image = _measured(kind, *split).per_image()
    for index in range(IMAGES):
        alone = _measured(kind, *(part[index : index + 1] for part in split), sizes=[1]).compute()
        _assert_same({name: float(values[index]) for name, values in per_image.items()}, alone)
    assert all(v.dtype == torch.float64 and v.shape == (IMAGES,) for v in per_image.values())


@KINDS
def test_pixels_that_are_not_valid_do_not_matter(kind: str) -> None:
    pred, target, valid = _split(kind)
    expected = _measured(kind, pred, target, valid).compute()
    for rubbish in (torch.nan, torch.inf, 0.0, -3.0):
        other_pred, other_target = pred.masked_fill(~valid, rubbish), target.masked_fill(~valid, rubbish)
        _assert_same(_measured(kind, other_pred, other_target, valid).compute(), expected)


@KINDS
def test_no_valid_mask_means_all_are_valid(kind: str) -> None:
    pred, target, valid = _split(kind)
    everywhere = _measured(kind, pred, target, torch.ones_like(valid))
    _assert_same(_measured(kind, pred, target).compute(), everywhere.compute())


@KINDS
def test_without_a_valid_pixel_everything_is_nan(kind: str) -> None:
    pred, target, valid = _split(kind)
    metric = _measured(kind, pred, target, torch.zeros_like(valid))
    assert all(value != value for value in metric.compute().values())
    assert all(values.isnan().all() for values in metric.per_image().values())


@KINDS
def test_processes_together_measure_the_whole_split(kind: str) -> None:
    split = _split(kind)
    ranks = [_measured(kind, *(part[half] for part in split)) for half in (slice(4), slice(4, None))]
    metric = ranks[0]
    metric.distributed_available_fn = lambda: True
    metric.dist_sync_fn = lambda tensor, group: [tensor, torch.cat(ranks[1].rows)]
    _assert_same(metric.compute(), _measured(kind, *split).compute())
    assert len(metric.per_image()["iou" if kind == "mask" else "mae"]) == 4


@KINDS
def test_reset_and_copies(kind: str) -> None:
    pred, target, valid = _split(kind)
    metric = _measured(kind, pred, target, valid)
    expected = metric.compute()
    for twin in (copy.deepcopy(metric), pickle.loads(pickle.dumps(metric))):
        _assert_same(twin.compute(), expected)
    metric.reset()
    metric.update(target, target)
    assert len(next(iter(metric.per_image().values()))) == IMAGES
    assert metric.compute() != expected


@KINDS
def test_half_precision_and_gradients_are_taken_as_they_come(kind: str) -> None:
    pred, target, valid = _split(kind)
    pred = pred.bfloat16()
    metric = _measured(kind, pred.clone().requires_grad_(), target, valid)
    assert not metric.rows[0].requires_grad
    _assert_same(metric.compute(), _measured(kind, pred.double(), target, valid).compute())


@KINDS
def test_shapes_that_do_not_fit_are_refused(kind: str) -> None:
    metric = METRICS[kind]()
    image = torch.rand(2, 1, 4, 4)
    with pytest.raises(ValueError, match="must have one shape"):
        metric.update(image, image[:, :, :3])
    with pytest.raises(ValueError, match="valid mask must have the target's shape"):
        metric.update(image, image, image[:1] > 0)
    with pytest.raises(ValueError, match=r"must be \(B, C, H, W\)"):
        metric.update(image[0], image[0])


@KINDS
def test_no_images_no_metrics(kind: str) -> None:
    with pytest.raises(ValueError, match="has seen no image"):
        METRICS[kind]().per_image()
    with (
        pytest.warns(UserWarning, match="before the ``update`` method"),
        pytest.raises(ValueError, match="no image"),
    ):
        METRICS[kind]().compute()
