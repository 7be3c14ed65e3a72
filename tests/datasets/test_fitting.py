"""Pictures of any shape in a square, and back."""

from __future__ import annotations

from pathlib import Path

import torch
from hypothesis import given
from hypothesis import strategies as st

from cnnlib.datasets import Folders
from cnnlib.datasets.fitting import fitted_size, padded, padded_target
from cnnlib.tasks import BoxTask, DepthTask, PointsTask
from cnnlib.types import Target, TargetInfo
from tests.datasets.pictures import disc, photo, save

sides = st.integers(1, 3000)


@given(height=sides, width=sides, size=st.integers(1, 512))
def test_the_longer_side_becomes_the_size_and_the_shape_stays(height: int, width: int, size: int) -> None:
    h, w = fitted_size((height, width), size, "pad")
    assert max(h, w) == size
    assert abs(h - max(height * size / max(height, width), 1)) <= 0.5
    assert abs(w - max(width * size / max(height, width), 1)) <= 0.5
    assert fitted_size((height, width), size, "stretch") == (size, size)
    assert fitted_size((height, width), None, "stretch") == (height, width)


@given(height=sides, width=sides, size=st.integers(8, 512), seed=st.integers(0, 999))
def test_boxes_and_points_come_back_exactly(height: int, width: int, size: int, seed: int) -> None:
    own, inner = (height, width), fitted_size((height, width), size, "pad")
    corners = torch.rand(2, 2, generator=torch.Generator().manual_seed(seed)) * torch.tensor([width, height])
    box = torch.cat([corners.amin(0), corners.amax(0)])
    task = BoxTask(TargetInfo("box"))
    there = task.resize(box, own, inner)
    assert (there <= torch.tensor([inner[1], inner[0]] * 2) + 1e-3).all()
    torch.testing.assert_close(task.resize(task.cut(there, inner), inner, own), box, atol=0.01, rtol=1e-5)
    points = PointsTask(TargetInfo("points", names=("a", "b")), head="coordinates")
    given_points = torch.cat([corners - 0.5, torch.ones(2, 1)], dim=1)
    back = points.resize(points.cut(points.resize(given_points, own, inner), inner), inner, own)
    torch.testing.assert_close(back, given_points, atol=0.01, rtol=1e-5)


def test_maps_lose_their_padding() -> None:
    task, inner = DepthTask(TargetInfo("depth")), (10, 16)
    prediction = torch.rand(1, *inner)
    assert torch.equal(task.cut(padded(prediction, (16, 16)), inner), prediction)


def test_padding_is_not_valid() -> None:
    target = padded_target(Target(torch.ones(1, 2, 3)), (3, 3))
    assert target.value.tolist() == [[[1, 1, 1], [1, 1, 1], [0, 0, 0]]]
    assert target.valid.tolist() == [[[True] * 3, [True] * 3, [False] * 3]]
    row = Target(torch.ones(4))
    assert padded_target(row, (3, 3)) is row


def test_samples_of_files_are_padded(tmp_path: Path) -> None:
    for number in range(4):
        save(photo(number, 20, 40), tmp_path / "images" / f"{number}.png")
        save(disc(20, 40), tmp_path / "masks" / f"{number}.png")
    data = Folders(str(tmp_path), {"image": "images"}, {"mask": "masks"}, size=20, fit="pad")
    sample = data.split("train")[0]
    assert sample["image"].shape == (3, 20, 20)
    assert sample["image"][:, 10:].max() == 0 < sample["image"][:, :10].max()
    assert not sample["mask"].valid[:, 10:].any()
    assert sample["mask"].valid[:, :10].all()
