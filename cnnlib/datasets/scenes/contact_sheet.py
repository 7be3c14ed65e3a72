"""One picture of many scenes with all their targets, to be looked at."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw

from cnnlib.datasets.scenes.render import CLASSES, render
from cnnlib.datasets.scenes.source import MIN_SIZE
from cnnlib.tasks import DepthTask, MaskTask
from cnnlib.tasks.drawing import color_map
from cnnlib.types import CnnlibError, Split

COLUMNS = ("bg", "fg_bg", "mask", "depth", "normals", "classes")
_GAP, _CAPTION = 4, 16


def contact_sheet(count: int = 8, size: int = 160, seed: int = 0, split: Split = "train") -> Image.Image:
    """The first ``count`` scenes, a row each; with the classes the main object's box and landmarks.

    Raises:
        CnnlibError: unless there is at least one scene, of at least 16 pixels, and the seed is not negative.
    """
    for key, value, least in (("count", count, 1), ("size", size, MIN_SIZE), ("seed", seed, 0)):
        if value < least:
            raise CnnlibError(f"contact sheet: {key} must be at least {least}; it is {value}")
    scenes = render(seed, split, range(count), size)
    step = size + _GAP
    sheet = Image.new("RGB", (len(COLUMNS) * step + _GAP, count * step + _CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(COLUMNS):
        draw.text((_GAP + column * step, 2), name, fill="black")
        for row in range(count):
            picture = Image.fromarray(_picture(name, {key: value[row] for key, value in scenes.items()}))
            sheet.paste(picture, (_GAP + column * step, _CAPTION + row * step))
    for row in range(count):
        corner = np.array([_GAP + COLUMNS.index("classes") * step, _CAPTION + row * step])
        box = scenes["object_box"][row] - [0, 0, 1, 1] + np.tile(corner, 2)
        draw.rectangle(tuple(box), outline="white")
        for x, y in scenes["object_landmarks"][row] + corner:
            draw.ellipse((x - 2, y - 2, x + 2, y + 2), fill="red", outline="white")
    return sheet


def _picture(name: str, scene: dict[str, np.ndarray]) -> np.ndarray:
    """uint8 (H, W, 3)."""
    if name in ("bg", "fg_bg"):
        start = 3 * ("bg", "fg_bg").index(name)
        return scene["image"][start : start + 3].transpose(1, 2, 0).copy()
    if name == "normals":
        shown = scene["normals"] * np.array([1, -1, -1])[:, None, None]  # right, up, towards the viewer
        return np.rint((shown.transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8)
    drawn = {
        "mask": lambda: MaskTask().draw(torch.from_numpy(scene["mask"])[None]),
        "depth": lambda: DepthTask().draw(
            torch.from_numpy(scene["depth"])[None], torch.from_numpy(scene["depth_valid"])[None]
        ),
        "classes": lambda: color_map(
            torch.from_numpy(scene["classes"]) / (len(CLASSES) - 1), "nipy_spectral"
        ),
    }[name]()
    return drawn.permute(1, 2, 0).contiguous().numpy()
