"""Small .npy files as MTAN and LibMTL have NYUv2 and Cityscapes: pictures of tilted planes, whose normals are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.datasets.pictures import photo

HEIGHT, WIDTH = 12, 16
FOCAL = WIDTH  # another than any that the library assumes


def plane(seed: int, height: int = HEIGHT, width: int = WIDTH) -> tuple[np.ndarray, np.ndarray]:
    """Depth (H, W, 1) in metres and normals (H, W, 3), x right, y down, z ahead, of a plane of random tilt."""
    normal = np.array([*np.random.default_rng(seed).uniform(-0.5, 0.5, 2), -1.0])
    normal /= np.linalg.norm(normal)
    v, u = np.mgrid[:height, :width] + 0.5
    rays = np.stack([(u - width / 2) / FOCAL, (v - height / 2) / FOCAL, np.ones((height, width))], -1)
    depth = 3 * normal[2] / (rays @ normal)
    return depth[..., None], np.broadcast_to(normal, rays.shape).copy()


def save_picture(
    place: Path, number: int, classes: int, label: str = "label", axes: tuple[int, int, int] = (1, 1, 1)
) -> None:
    """A picture with all its maps; ``axes`` are what the normals' are multiplied by. The first rows are not known."""
    seed = number + 100 * (place.name == "val")
    depth, normals = plane(seed)
    index = (np.arange(HEIGHT * WIDTH).reshape(HEIGHT, WIDTH) + number) % classes
    depth[0], normals[:1], index[:2] = 0, 0, -1
    arrays = {
        "image": photo(seed, HEIGHT, WIDTH) / 255,
        label: index.astype(np.float64),
        "depth": depth,
        "normal": normals * axes,
    }
    for folder, array in arrays.items():
        save_array(place / folder / f"{number}.npy", array)


def save_array(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, array)
