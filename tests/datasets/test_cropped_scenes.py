"""Wide and upright scenes."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from cnnlib.datasets.cropped_scenes import CroppedScenes, _window
from cnnlib.datasets.scenes import Scenes

COUNT = 12


def test_shapes_and_paddings():
    padded = CroppedScenes(size=32, fit="pad", train=COUNT, objects=1).split("train")
    outside = [(padded[i]["image"][:, :, 22:] == 0).all().item() for i in range(COUNT)]
    below = [(padded[i]["image"][:, 22:] == 0).all().item() for i in range(COUNT)]
    assert [o != b for o, b in zip(outside, below, strict=True)] == [True] * COUNT  # 2:3 or 3:2, 32 x 21.3
    assert any(outside)
    assert any(below)
    for fit in ("pad", "stretch"):
        for sample in (CroppedScenes(size=32, fit=fit, train=2).split("train")[i] for i in range(2)):
            assert sample["image"].shape == (3, 32, 32)
            assert 0 <= sample["image"].min() <= sample["image"].max() <= 1


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_the_box_shows_what_it_shows_in_the_scene(fit):
    scenes = Scenes(size=96, train=COUNT, objects=1).split("train")
    cropped = CroppedScenes(size=64, fit=fit, train=COUNT, objects=1).split("train")
    compared = 0
    for index in range(COUNT):
        whole, part = scenes[index], cropped[index]
        assert part["label"].value == whole["label"].value
        assert cropped.label_class(index) == scenes.label_class(index)
        size = part["box"].value[2:] - part["box"].value[:2]
        assert (size > 0).all()
        assert (part["box"].value[2:] <= 64).all()
        full = whole["box"].value[2:] - whole["box"].value[:2]
        if (full > 60).any():
            continue  # an object that was cut
        seen = _inside(part["image"], part["box"].value)
        expected = _inside(whole["image"][3:], whole["box"].value)
        assert (seen - expected).abs().mean() < 0.05
        compared += 1
    assert compared > COUNT // 2


def _inside(image, box):
    """A box's content, (3, 6, 6)."""
    steps = (torch.arange(6) + 0.5) / 6
    xs, ys = (box[i] + steps * (box[i + 2] - box[i]) for i in (0, 1))
    side = image.shape[-1]
    grid = torch.stack(torch.meshgrid(ys, xs, indexing="ij")[::-1], -1) / side * 2 - 1
    return F.grid_sample(image[None], grid[None], align_corners=False)[0]


@settings(max_examples=300)
@given(
    st.lists(st.integers(0, 96), min_size=2, max_size=2, unique=True),
    st.lists(st.integers(0, 96), min_size=2, max_size=2, unique=True),
    st.integers(0, 1000),
)
def test_the_cut_shows_as_much_of_the_object_as_fits(columns, rows, seed):
    (x0, x1), (y0, y1) = sorted(columns), sorted(rows)
    left, top, right, bottom = _window(
        np.array([x0, y0, x1, y1], np.float32), 96, np.random.default_rng(seed)
    )
    assert sorted([right - left, bottom - top]) == [64, 96]
    assert min(left, top) >= 0
    assert max(right, bottom) <= 96
    for low, high, first, last in ((left, right, x0, x1), (top, bottom, y0, y1)):
        assert min(high, last) - max(low, first) == min(last - first, high - low)
