"""The captioned picture of one sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from cnnlib.tasks import DepthTask, MaskTask
from cnnlib.tasks.panel import draw_panel, input_pictures, panel_tensor
from cnnlib.types import CnnlibError, Predicted, Target, TargetInfo

TASKS = {"mask": MaskTask(TargetInfo("mask")), "depth": DepthTask(TargetInfo("depth", unit="m"))}


def panel(
    height: int = 64,
    width: int = 64,
    *,
    known: Sequence[str] = ("mask", "depth"),
    name: str = "scene",
    inputs: int = 2,
) -> np.ndarray:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    mask = ((x - y).abs() < 3).float()[None]
    depth = (1 + x / 10 + y / 20)[None]
    valid = torch.ones(1, height, width, dtype=torch.bool)
    targets = {"mask": Target(1 - mask, valid), "depth": Target(depth + 0.2, valid)}
    image = torch.rand(3 * inputs, height, width, generator=torch.Generator().manual_seed(0))
    names = {f"view{index}": 3 for index in range(inputs)}
    targets = {key: target for key, target in targets.items() if key in known}
    return np.array(draw_panel(Predicted(name, image, {"mask": mask, "depth": depth}, targets), names, TASKS))


def holds(picture: np.ndarray, tile: torch.Tensor) -> bool:
    """Whether ``tile``, uint8 (3, H, W), stands somewhere in ``picture``, pixel by pixel."""
    wanted = tile.permute(1, 2, 0).numpy()
    rows = np.lib.stride_tricks.sliding_window_view(picture[:220], wanted.shape)[..., 0, :, :, :]
    return bool((rows == wanted).all(axis=(-1, -2, -3)).any())


def test_maps_are_enlarged_without_new_colours() -> None:
    """The tile of a 64 pixel map is each pixel twice: checked on a strip of it, found in the panel."""
    diagonal = ((torch.arange(64)[None] - torch.arange(64)[:, None]).abs() < 3).float()[None]
    mask = TASKS["mask"].draw(diagonal, torch.zeros(3, 64, 64))
    strip = mask[:, 20:24, 10:40].repeat_interleave(2, 1).repeat_interleave(2, 2)
    assert holds(panel(), strip)


def test_error_and_truth_are_shown_only_where_the_truth_is_known() -> None:
    known, unknown = panel(), panel(known=())
    assert unknown.shape[1] < known.shape[1]
    assert unknown.shape[0] < known.shape[0]  # no legend of the error colours


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 700), (96, 96), (480, 640)])
def test_tiles_are_large_enough_to_see_and_small_enough_to_list(height: int, width: int) -> None:
    rows, columns, _ = panel(height, width).shape
    assert 4 * 128 < columns < 4 * 256 + 100
    assert rows < 2 * 256 + 200


@pytest.mark.parametrize("name", ["x" * 400, "tab\tand\nline", "日本", ""])
def test_any_name_can_be_a_title(name: str) -> None:
    assert panel(name=name).shape[1] == panel().shape[1]


def test_inputs_stand_beside_the_tasks() -> None:
    two, four = panel(inputs=2), panel(inputs=4)
    assert two.shape[0] == four.shape[0]
    assert two.shape[1] < four.shape[1]


def test_channels_must_fit_the_names() -> None:
    with pytest.raises(CnnlibError, match=r"an image of bg must be \(3, H, W\); it is \(6, 4, 4\)"):
        draw_panel(Predicted("a", torch.rand(6, 4, 4), {}), {"bg": 3}, TASKS)


def test_a_panel_becomes_a_tensor() -> None:
    from PIL import Image

    picture = Image.new("RGB", (7, 5), (1, 2, 3))
    picture.putpixel((6, 0), (9, 8, 7))
    tensor = panel_tensor(picture)
    assert tensor.shape == (3, 5, 7)
    assert tensor.dtype == torch.uint8
    assert tensor[:, 0, 6].tolist() == [9, 8, 7]


def test_a_picture_without_three_channels_is_shown_in_grey() -> None:
    image = torch.rand(6, 4, 5)
    shown = input_pictures(image, {"near_infrared": 1, "stereo": 2, "photo": 3})
    assert {name: tuple(picture.shape) for name, picture in shown.items()} == dict.fromkeys(shown, (3, 4, 5))
    torch.testing.assert_close(shown["near_infrared"], image[:1].expand(3, -1, -1))
    torch.testing.assert_close(shown["photo"], image[3:])


def test_a_task_without_a_target_shows_its_prediction_alone() -> None:
    """The error of the other tasks is still there, so the panel is as wide as with both."""
    assert panel(known=("mask",)).shape[1] == panel().shape[1]
    assert panel(known=("mask",)).shape[0] < panel().shape[0]
