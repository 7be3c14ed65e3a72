"""Small cut-outs, backgrounds and depth maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cnnlib.datasets.composites import Composites


def write_pictures(root: Path, foregrounds: int = 4, backgrounds: int = 5, depth: bool = True) -> Path:
    """``fg/person_N.png`` (discs in a transparent picture), ``bg/room_N.jpg`` and ``depth/room_N.png`` (16 bits)."""
    for name in ("fg", "bg", "depth"):
        (root / name).mkdir(parents=True, exist_ok=True)
    y, x = np.mgrid[:60, :50]
    for index in range(foregrounds):
        random = np.random.default_rng(index)
        array = np.zeros((60, 50, 4), np.uint8)
        disc = ((x - 25) / (12 + 2 * index)) ** 2 + ((y - 30) / (16 + index)) ** 2 < 1
        array[disc] = [*random.integers(60, 250, 3), 255]
        Image.fromarray(array).save(root / "fg" / f"person_{index}.png")
    for index in range(backgrounds):
        random = np.random.default_rng(100 + index)
        coarse = random.integers(0, 255, (4, 5, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((80, 64)).save(root / "bg" / f"room_{index}.jpg")
        if depth:
            levels = np.linspace(6000, 1000 + 200 * index, 64).astype(np.uint16)
            Image.fromarray(np.repeat(levels[:, None], 80, 1)).save(root / "depth" / f"room_{index}.png")
    return root


def composites(root: Path, **options: Any) -> Composites:
    """Of the pictures in ``root``, small."""
    given = {
        "foregrounds": str(root / "fg"),
        "backgrounds": str(root / "bg"),
        "depths": str(root / "depth"),
        "size": 32,
        "positions": 2,
        "val": 0.2,
        "test": 0.25,
        "cache_dir": str(root / "cache"),
    }
    return Composites(**given | options)
