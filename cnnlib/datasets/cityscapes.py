"""Cityscapes with classes and disparities, as the papers on multi-task learning have it."""

from __future__ import annotations

from functools import partial
from typing import Literal

from cnnlib.checks import checked
from cnnlib.datasets.array_files import read_classes, read_depth
from cnnlib.datasets.array_folders import ArrayDataSource, ArrayMap
from cnnlib.datasets.options import CheckCount, Seed, Share
from cnnlib.files import user_path
from cnnlib.types import TargetInfo

CATEGORIES = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")
CLASSES = (
    "road",
    "sidewalk",
    "building",
    "wall",
    "fence",
    "pole",
    "traffic light",
    "traffic sign",
    "vegetation",
    "terrain",
    "sky",
    "person",
    "rider",
    "car",
    "truck",
    "bus",
    "train",
    "motorcycle",
    "bicycle",
)
"""Both in the order of the data set's own scripts."""


class Cityscapes(ArrayDataSource):
    """Cityscapes in the .npy files of MTAN and LibMTL: ``train/image/0.npy``, ``val/image/0.npy``, and beside ``image``
    the folders ``label_7``, ``label_19`` or ``label``, and ``depth``.

    Papers test on ``val``, and it is the test set here too; validation is a part of ``train``.

    Of a picture of H x W (there 128 x 256): the image (H, W, 3) in [0, 1]; the label (H, W), classes from 0 on, -1
    where none is known; the inverse depth (H, W, 1), a disparity without a unit, 0 or less where it is not known.

    Source: github.com/lorenmt/mtan (its README describes the files); github.com/median-research-group/LibMTL
    (``examples/cityscapes``); Cordts et al., The Cityscapes dataset for semantic urban scene understanding, CVPR 2016

    Args:
        root: the folder that ``train`` and ``val`` are in.
        classes: their number. The labels are in ``label_7`` or ``label_19``, or in ``label`` where ``train`` has no
            such folder.
        val: the share of ``train``, drawn at random, that is held out for validation.
        seed: of that draw.
        check: how many samples ``check`` reads, spread evenly; by default all.

    Raises:
        CnnlibError: the folders are others, or their files do not pair.
    """

    @checked
    def __init__(
        self,
        root: str,
        classes: Literal[7, 19] = 7,
        val: Share = 0.1,
        seed: Seed = 0,
        check: CheckCount | None = None,
    ) -> None:
        names = CATEGORIES if classes == len(CATEGORIES) else CLASSES
        own = f"label_{classes}"
        train = user_path(root, "root") / "train"
        folder = "label" if (train / "label").is_dir() and not (train / own).is_dir() else own
        maps = {
            "semantic": ArrayMap(
                folder, TargetInfo("semantic", names=names), partial(read_classes, classes=classes)
            ),
            "depth": ArrayMap("depth", TargetInfo("depth", inverse=True), read_depth),
        }
        super().__init__(root, maps, val, seed, check)
