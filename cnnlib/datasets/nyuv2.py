"""NYUv2 with classes, depths and normals, as the papers on multi-task learning have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Annotated, ClassVar, Literal, TypeAlias

from annotated_types import MaxLen, MinLen

from cnnlib.checks import checked
from cnnlib.datasets.array_files import read_classes, read_depth, read_normals
from cnnlib.datasets.array_folders import ArrayDataSource, ArrayMap
from cnnlib.datasets.normal_axes import axes_by_depth
from cnnlib.datasets.options import CheckCount, Seed, Share
from cnnlib.datasets.splits import spread
from cnnlib.types import Target, TargetInfo

Axes: TypeAlias = Annotated[tuple[Literal[-1, 1], ...], MinLen(3), MaxLen(3)]

CLASSES = (
    "bed",
    "books",
    "ceiling",
    "chair",
    "floor",
    "furniture",
    "objects",
    "painting",
    "sofa",
    "table",
    "tv",
    "wall",
    "window",
)
"""In the order of SceneNet's table of them (github.com/ankurhanda/SceneNetv1.0), from which the labels come."""

_LOOKED_AT = 8  # pictures that show the normals' axes
_AS_STORED = (1, 1, 1)


class NYUv2(ArrayDataSource):
    """NYUv2 in the .npy files of MTAN and LibMTL: ``train/image/0.npy``, ``val/image/0.npy``, and beside ``image`` the
    folders ``label``, ``depth`` and ``normal``.

    Papers test on ``val``, and it is the test set here too; validation is a part of ``train``. There are 795 pictures
    in ``train`` and 654 in ``val``.

    Of a picture of H x W (there 288 x 384): the image (H, W, 3) in [0, 1]; the label (H, W), 13 classes, -1 where none
    is known; the depth (H, W, 1) in metres, 0 or less where it is not known; unit normals (H, W, 3), 0 where there is
    none.

    Source: github.com/lorenmt/mtan (``im2im_pred/create_dataset.py``, and ``utils.py`` for what is valid);
    github.com/median-research-group/LibMTL (``examples/nyu``); Silberman et al., Indoor segmentation and support
    inference from RGBD images, ECCV 2012

    Args:
        root: the folder that ``train`` and ``val`` are in.
        normal_axes: what x, y and z of the normals are multiplied by, 1 or -1 each, to be in the camera's axes (x
            right, y down, z ahead). Neither source states which way they point; null finds it by the depths of eight
            pictures.
        val: the share of ``train``, drawn at random, that is held out for validation.
        seed: of that draw.
        check: how many samples ``check`` reads, spread evenly; by default all.

    Raises:
        CnnlibError: the folders are others, their files do not pair, or the normals' axes cannot be inferred.
    """

    targets: ClassVar[Mapping[str, TargetInfo]] = {
        "semantic": TargetInfo("semantic", names=CLASSES),
        "depth": TargetInfo("depth", unit="m"),
        "normals": TargetInfo("normals"),
    }

    @checked
    def __init__(
        self,
        root: str,
        normal_axes: Axes | None = None,
        val: Share = 0.1,
        seed: Seed = 0,
        check: CheckCount | None = None,
    ) -> None:
        readers = {
            "semantic": ("label", partial(read_classes, classes=len(CLASSES))),
            "depth": ("depth", read_depth),
            "normals": ("normal", partial(read_normals, axes=tuple(normal_axes or _AS_STORED))),
        }
        maps = {key: ArrayMap(folder, self.targets[key], read) for key, (folder, read) in readers.items()}
        super().__init__(root, maps, val, seed, check)
        if normal_axes is None:
            found = axes_by_depth(self._normals_and_depths())
            read = partial(read_normals, axes=found)
            self.samples.maps = {**maps, "normals": maps["normals"]._replace(read=read)}

    def _normals_and_depths(self) -> Iterator[tuple[Target, Target]]:
        for index in spread(len(self.samples), _LOOKED_AT):
            yield self.samples.read("normals", index), self.samples.read("depth", index)
