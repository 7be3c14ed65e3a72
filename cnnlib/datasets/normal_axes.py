"""Which way the axes of stored normals point, found by the depths of the same pictures."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from cnnlib.types import CnnlibError, Target

_FOCAL = 0.8  # of the width: a field of view of 64 degrees, as of a Kinect; only signs are read
_WIDTH = 96  # depths of that many columns are free of most noise
_CLEAR = 0.2  # cosine


def axes_by_depth(pictures: Iterable[tuple[Target, Target]]) -> tuple[int, int, int]:
    """1 or -1 for each of x, y and z: what normals as stored must be multiplied by to be in the camera's axes, x right,
    y down, z ahead.

    They are compared with those that the depths have, whose camera need not be known well for that.

    Args:
        pictures: the normals and the depth of each, (3, H, W) and (1, H, W).

    Raises:
        CnnlibError: normals and depths have little to do with each other.
    """
    sums = torch.zeros(3, 3, dtype=torch.float64)
    for normals, depth in pictures:
        stored, known = _smaller(normals)
        expected, smooth = normals_of_depth(*_smaller(depth))
        here = (known & smooth).expand_as(stored)
        one, other = (maps.double().masked_fill(~here, 0) for maps in (stored, expected))
        sums += torch.stack([(a * b).sum((1, 2)) for a, b in ((one, other), (one, one), (other, other))])
    both, ones, others = sums
    cosines = both / (ones * others).sqrt().clamp(min=1e-12)
    if (cosines.abs() < _CLEAR).any():
        raise CnnlibError(
            "the axes of the normals cannot be inferred from the depths (cosine with the depths' normals in x, y and "
            f"z: {', '.join(f'{each:.2f}' for each in cosines)}); set normal_axes, such as [1, -1, -1]"
        )
    x, y, z = (1 if each > 0 else -1 for each in cosines)
    return x, y, z


def normals_of_depth(depth: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """The normals (3, h, w), towards the camera, of the surface that a depth map (1, h, w) shows, and where they are
    known.

    With u and v from the middle of the picture in pixels and f the focal length, the point at depth Z is
    (u Z / f, v Z / f, Z), and the cross product of its derivatives is along (f Z_u, f Z_v, -(Z + u Z_u + v Z_v)).
    """
    _, height, width = depth.shape
    v, u = torch.meshgrid(
        *(torch.arange(side, dtype=depth.dtype) + 0.5 - side / 2 for side in (height, width)), indexing="ij"
    )
    if height < 3 or width < 3:
        return depth.new_zeros(3, height, width), torch.zeros_like(valid)
    along_v, along_u = torch.gradient(depth[0])
    focal = _FOCAL * width
    normals = torch.stack([focal * along_u, focal * along_v, -(depth[0] + u * along_u + v * along_v)])
    known = F.max_pool2d((~valid).float(), 3, stride=1, padding=1) == 0
    return F.normalize(normals, dim=0), known


def _smaller(target: Target) -> tuple[Tensor, Tensor]:
    """Means over blocks, and which blocks are valid everywhere."""
    value, valid = target
    block = max(1, value.shape[-1] // _WIDTH)
    return F.avg_pool2d(value, block), F.avg_pool2d(valid.float(), block) == 1
