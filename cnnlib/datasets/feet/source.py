"""The embedded data set of feet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

import numpy as np
from annotated_types import Gt, MaxLen, MinLen
from torch import Tensor

from cnnlib.checks import checked
from cnnlib.datasets.cache import ArraySpec
from cnnlib.datasets.feet.foot import POSES
from cnnlib.datasets.feet.render import POINTS, render
from cnnlib.datasets.options import Seed
from cnnlib.datasets.scenes.rendered import Count, Pixels, RenderedSource, RenderedSplit
from cnnlib.types import Split, Target, TargetInfo

VERSION = 1
"""Counted up whenever what is stored changes: what is on disk of another version is rendered again."""

_ALIKE = (1.0, 1.0, 1.0)


class FootSplit(RenderedSplit):
    """The pictures of one split."""

    def label_class(self, index: int) -> str:
        return POSES[self._arrays["label"][index]]

    def _targets(self, arrays: Mapping[str, Tensor]) -> dict[str, Target]:
        points, size = arrays["points"], arrays["image"].shape[-1]
        inside = ((points >= -0.5) & (points <= size - 0.5)).all(-1)
        return {"label": Target(arrays["label"].long()), "points": Target(points, inside)}


class Feet(RenderedSource):
    """Drawn feet seen from behind, in pronation, neutral or in supination: the stand-in for photographs of ankles.

    The poses differ in the angle between the line of the calf and that of the heel: 7 to 17 degrees outwards
    at the heel's lower end, within 2.2, or 6.5 to 15 inwards. Outwards is away from the other foot, so a net must also
    see whether it is a left or a right foot: by the toes, the bones of the ankle and the arch. Legs lean and the camera
    is tilted by several degrees, so that no single line shows the pose. Skin, socks, trousers, light, floor, wall, and
    the place and the height of the camera differ. In a third of the pictures a part of the other foot is seen. The
    mirror image of a left foot is that of a right one in the same pose.

    A sample is a pure function of (seed, split, index, size, shares): the first 100 of 800 feet are the 100 of 100,
    and no foot of one split is in another.

    Args:
        size: height and width in pixels.
        train, val, test: number of pictures in each split.
        seed: other seeds give other pictures.
        cache_dir: where rendered pictures are kept; by default ``$CNNLIB_CACHE`` or the user's cache folder.
        shares: how often pronation, neutral and supination come, in relation to each other; in all splits.

    Targets: the ``label``, and the ``points`` in the middle of the leg at the calf, at the joint above the heel, and
    where the heel meets the ground; those outside of the picture are not valid.
    """

    title = "feet"
    read = FootSplit
    inputs: ClassVar[Mapping[str, int]] = {"image": 3}
    targets: ClassVar[Mapping[str, TargetInfo]] = {
        "label": TargetInfo("label", names=POSES),
        "points": TargetInfo("points", names=POINTS),
    }

    @checked
    def __init__(
        self,
        size: Pixels = 96,
        train: Count = 800,
        val: Count = 100,
        test: Count = 100,
        seed: Seed = 0,
        cache_dir: str | None = None,
        shares: Annotated[list[Annotated[float, Gt(0)]], MinLen(3), MaxLen(3)] | None = None,
    ) -> None:
        super().__init__(size, train, val, test, seed, cache_dir)
        self.shares = _ALIKE if shares is None else tuple(map(float, shares))

    def _rows(self) -> dict[str, ArraySpec]:
        return {
            "image": ArraySpec((3, self.size, self.size), "|u1"),
            "label": ArraySpec((), "|u1"),
            "points": ArraySpec((len(POINTS), 2), "<f4"),
        }

    def _versions(self) -> dict[str, int]:
        return {"feet": VERSION}

    def _variant(self) -> dict[str, Any]:
        return {} if self.shares == _ALIKE else {"shares": "-".join(f"{share:g}" for share in self.shares)}

    def _render(self, part: Split, indices: Sequence[int]) -> dict[str, np.ndarray]:
        return render(self.seed, part, indices, self.size, self.shares)
