"""Points in images, such as the landmarks of a face, from the files that annotation tools write."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal

from annotated_types import Ge, MinLen

from cnnlib.checks import checked
from cnnlib.datasets import face_68
from cnnlib.datasets.annotated_images import AnnotatedDataSource, read_annotated
from cnnlib.datasets.file_samples import Input
from cnnlib.datasets.keypoints.files import read_keypoints
from cnnlib.datasets.keypoints.parts import PointsInPart
from cnnlib.datasets.keypoints.rows import KeypointFile
from cnnlib.datasets.options import USUAL_PIXELS, CheckCount, MaxPixels, Seed, Share, Side
from cnnlib.datasets.problems import opened
from cnnlib.datasets.target_files import TargetSource
from cnnlib.tasks import PointsTask
from cnnlib.types import CnnlibError, Fit, TargetInfo

_LAYOUTS = {"face_68": (face_68.NAMES, face_68.FLIP_ORDER)}


class Keypoints(AnnotatedDataSource):
    """Images of one object each, and the places of its points: the target ``points`` of the input ``image``.

    Annotation files, distinguished by their content, are:

    - CSV: the image's name first, then ``x0,y0,x1,y1,...`` or ``<point>_x,<point>_y,...`` or numbered columns, and
      perhaps a box, ``xmin,ymin,xmax,ymax``. An empty cell means that the point is not known.
    - text: lines ``name x y [x y ...]``, separated by blanks; lines that start with ``#`` are passed over.
    - COCO's JSON of key points; a point of visibility 0 is not known.

    A name may lack its ending, and its folders where one file alone is called so. Annotations without an image, and
    images without a known point, are left out, which ``check`` reports. Points outside of their picture are not valid.
    Images may differ in size and are turned upright as their EXIF orientation says.

    Args:
        root: the folder that the others are in.
        annotations: one file or several.
        images: the folder of the images, searched with all folders in it, or one for each file of ``annotations``; the
            folder then starts the names of its samples: ``training/x``.
        layout: the names of the points and their ``flip_order``: ``face_68``, the 68 points of a face in iBUG's order.
        names: of the points; by default those of the file, or, of one point, ``point``.
        flip_order: the index of the point that each becomes in a mirror; by default, points whose names differ in
            left and right change places, and all others stay themselves. Several points without names need it.
        normalized: coordinates are shares of the picture's width and height, with 0 at its *corner*; else they are
            pixels, and (0, 0) is the *centre* of the first one (the corner, for boxes). By default, the values of each
            file decide.
        size: samples become ``size`` x ``size``, points moved along. Without it images must share one size.
        fit: how pictures of another shape become square: they are stretched, or ``pad`` makes the longer side ``size``
            and adds black at the right and at the bottom.
        crop: show a square part of each picture, black where it reaches beyond: around its ``box``, or around the
            ``points`` in the picture, the true ones also in tests. Needs ``size``.
        margin: of the part on each side, as a share of the longer side of what it is around.
        val, test: the shares of a random split; the rest is for training.
        seed: of the random split.
        group_pattern: a regular expression whose one group, found in an image's name in its folder, names its group;
            no group is divided between splits: ``'(.+)_\\d+$'`` keeps ``anna_1`` and ``anna_2`` together.
        max_pixels: a file that says that it has more is not decoded, and is an error like every other.
        check: how many samples ``check`` decodes, spread evenly; by default all.

    Raises:
        CnnlibError: for an option that cannot work, or for files that cannot: one message with every kind of problem,
            its count and the first few. More than half of the annotations without an image are one, as are two
            annotations of one image.
    """

    @checked
    def __init__(
        self,
        root: str,
        annotations: str | Annotated[list[str], MinLen(1)],
        images: str | Annotated[list[str], MinLen(1)],
        layout: Literal["face_68"] | None = None,
        names: Annotated[list[str], MinLen(1)] | None = None,
        flip_order: list[int] | None = None,
        normalized: bool | None = None,
        size: Side | None = None,
        fit: Fit = "stretch",
        crop: Literal["box", "points"] | None = None,
        margin: Annotated[float, Ge(0)] = 0.25,
        val: Share = 0.1,
        test: Share = 0.1,
        seed: Seed = 0,
        group_pattern: str | None = None,
        max_pixels: MaxPixels = USUAL_PIXELS,
        check: CheckCount | None = None,
    ) -> None:
        base, problems = opened(root)
        if crop and size is None:
            raise CnnlibError("crop needs size, for the parts of pictures that are shown have many sizes")
        read = partial(read_keypoints, normalized=normalized, problems=problems)
        found = read_annotated(base, annotations, images, read, "images without a known point", problems)
        info = _info(found.files, layout, names, flip_order)
        target = PointsInPart(PointsTask(info), found.rows, crop, margin)
        target.check_boxes(problems)
        targets = {"points": TargetSource(info, found.rows, target.read)}
        super().__init__(
            found,
            Input(found.pictures, crop=target.part if crop else None),
            targets,
            problems,
            size=size,
            fit=fit,
            val=val,
            test=test,
            seed=seed,
            group_pattern=group_pattern,
            max_pixels=max_pixels,
            check=check,
        )


def _info(
    files: Sequence[KeypointFile],
    layout: str | None,
    names: Sequence[str] | None,
    flip_order: Sequence[int] | None,
) -> TargetInfo:
    """Raises ``CnnlibError`` where the files or the options do not agree on the points."""
    first, count = files[0], _count(files[0])
    for file in files:
        if (_count(file), file.names) != (count, first.names):
            raise CnnlibError(
                f"all files must have the same points; {first.path} has {count} ({', '.join(first.names[:5])}...), "
                f"{file.path} {_count(file)} ({', '.join(file.names[:5])}...)"
            )
    if layout is not None:
        if names is not None or flip_order is not None:
            raise CnnlibError("layout gives names and flip_order; leave these out")
        names, flip_order = _LAYOUTS[layout]
    names = names or first.names
    if not names and flip_order is None and count > 1:
        raise CnnlibError(
            f"{first.path} names none of its {count} points, so nobody knows which change places in a mirror: give "
            "layout, names (left_... and right_... change places) or flip_order"
        )
    names = names or (["point"] if count == 1 else [f"point_{i}" for i in range(count)])
    if len(names) != count:
        raise CnnlibError(
            f"{'names' if layout is None else f'layout {layout}'} has {len(names)} points, {first.path} {count}"
        )
    return TargetInfo("points", tuple(names), tuple(flip_order or ()))


def _count(file: KeypointFile) -> int:
    return len(file.rows[0].points)
