"""Small image files, as people have them, and what is read of them."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from cnnlib.types import DataSource, Split

PARTS: tuple[Split, ...] = ("train", "val", "test")
HEIGHT, WIDTH = 24, 32


def photo(seed: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Smooth colours, uint8 (H, W, 3)."""
    coarse = np.random.default_rng(seed).integers(40, 216, (4, 4, 3), dtype=np.uint8)
    return np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def disc(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A mask, uint8 (H, W), 0 and 255."""
    y, x = np.mgrid[:height, :width]
    return np.where(np.hypot(y / height - 0.5, x / width - 0.4) < 0.25, 255, 0).astype(np.uint8)


def ramp(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """Depth levels, uint8 (H, W), 0 in the first column."""
    return np.tile(np.linspace(0, 250, width).round().astype(np.uint8), (height, 1))


def save(array: np.ndarray, path: Path, **options: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def samples(data: DataSource) -> list[dict[str, Any]]:
    """Of all splits, by name."""
    splits = [data.split(part) for part in PARTS]
    return sorted((split[i] for split in splits for i in range(len(split))), key=lambda each: each["name"])


def write_csv(path: Path, *rows: tuple[str, ...]) -> None:
    with path.open("w", newline="", encoding="utf-8-sig") as file:  # with a byte-order mark, as Excel writes
        csv.writer(file).writerows(rows)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])
