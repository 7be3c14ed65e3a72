"""The part of a picture that is shown, and the points in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from cnnlib.datasets.file_samples import Box
from cnnlib.datasets.image_files import ImageFileError
from cnnlib.datasets.keypoints.rows import KeypointRow
from cnnlib.datasets.problems import Problems
from cnnlib.tasks import PointsTask
from cnnlib.types import CnnlibError, Size, Target


@dataclass(frozen=True)
class PointsInPart:
    """The points of pictures of which a part may be shown; options as in ``Keypoints``."""

    task: PointsTask
    rows: Mapping[str, KeypointRow]
    """By the sample's name."""
    crop: Literal["box", "points"] | None
    margin: float

    def check_boxes(self, problems: Problems) -> None:
        for row in self.rows.values() if self.crop == "box" else ():
            if row.box is None:
                problems.add(
                    "annotations without a box (columns xmin, ymin, xmax, ymax), which crop: box needs",
                    row.place,
                )

    def read(self, name: str, stored: Size, size: Size | None) -> Target:
        """As in ``TargetSource``: points outside of the picture or of its part are not valid."""
        inside = self._inside(name, stored)
        left, upper, right, lower = self.part(name, stored) if self.crop else (0, 0, stored[1], stored[0])
        shape = np.array([right - left, lower - upper])
        places = self.rows[name].points_from_corner(stored) - (left, upper)
        shown = ((places >= 0) & (places <= shape)).all(1)  # NaN is not
        height, width = size or shape[::-1]
        places = np.nan_to_num(places * (width, height) / shape - 0.5)
        return Target(torch.from_numpy(places).float(), torch.from_numpy(inside & shown))

    def part(self, name: str, stored: Size) -> Box:
        """The square to show, in pixels from the corner of the picture; it may reach beyond.

        Raises:
            ImageFileError: what it is around has no extent, or lies far outside of the picture.
        """
        low, high = self._around(name, stored)
        side = max(high - low) * (1 + 2 * self.margin)
        if not side >= 1 or min(low) < -max(stored) or max(high) > 2 * max(stored):
            raise self._error(
                name,
                f"the {self.crop} to crop to, from {low.round(1)} to {high.round(1)}, is empty or far outside",
            )
        left, upper = ((low + high - side) / 2).round().astype(int).tolist()
        return left, upper, left + round(side), upper + round(side)

    def _around(self, name: str, stored: Size) -> tuple[np.ndarray, np.ndarray]:
        """The upper left and lower right corner of what is cropped to."""
        row = self.rows[name]
        if self.crop == "box":
            return tuple(np.split(row.box_from_corner(stored), 2))
        places = row.points_from_corner(stored)[self._inside(name, stored)]
        return (places.min(0), places.max(0)) if len(places) else (np.zeros(2), np.zeros(2))

    def _inside(self, name: str, stored: Size) -> np.ndarray:
        """Which points are known and lie in the picture, bool (K,)."""
        row = self.rows[name]
        known = torch.from_numpy(row.known())
        value = torch.from_numpy(np.nan_to_num(row.points_from_corner(stored) - 0.5)).float()
        try:
            return self.task.check(Target(value, known), stored).valid.numpy()
        except CnnlibError as error:
            raise self._error(name, str(error)) from None

    def _error(self, name: str, reason: str) -> ImageFileError:
        place = Path(self.rows[name].place)
        return ImageFileError("not usable as points", place, f"{name}: {reason}")
