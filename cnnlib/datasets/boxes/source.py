"""Objects in images, a box and a class each, from the files that annotation tools write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from annotated_types import MinLen

from cnnlib.checks import checked
from cnnlib.datasets.annotated_images import AnnotatedDataSource, read_annotated
from cnnlib.datasets.boxes.files import read_boxes
from cnnlib.datasets.boxes.rows import BoxRow, ObjectBox, area
from cnnlib.datasets.file_samples import Input
from cnnlib.datasets.image_files import ImageFileError
from cnnlib.datasets.options import USUAL_PIXELS, CheckCount, MaxPixels, Seed, Share, Side
from cnnlib.datasets.problems import Problems, opened
from cnnlib.datasets.target_files import TargetSource
from cnnlib.tasks import BoxTask
from cnnlib.types import CnnlibError, Fit, Size, Target, TargetInfo

_LEAST_LEFT = 0.5  # of a box's area, inside of its picture


class Boxes(AnnotatedDataSource):
    """Images of one object each: the targets ``box`` and, where there are several classes, ``label``.

    Annotations, distinguished by their content, are:

    - a folder of Pascal VOC's XML, or of text files with lines ``class xmin ymin xmax ymax``; the image is called as
      the file is.
    - JSON of the VGG Image Annotator (rectangles), or of COCO (``bbox`` is x, y, width, height).
    - CSV with a line per object: ``filename,class,xmin,ymin,xmax,ymax``, and perhaps ``width,height`` of the picture.

    Edges are in pixels of the picture as it is shown upright, with (0, 0) at the corner of the first pixel, and are
    taken as the files have them. So are Pascal VOC's: its own annotations count pixels from 1 and name the last one
    inside, but the tools that write its format mostly mean edges, and no file says which; the left and the upper edge
    of the former lie one pixel too far inside. What reaches beyond the picture is cut off. Annotations without an
    image, and images without an object, are left out, which ``check`` reports. A folder that has XML files is not
    searched for text files.

    Args:
        root: the folder that the others are in.
        annotations: one file or folder, or several.
        images: the folder of the images, searched with all folders in it, or one for each of ``annotations``; the
            folder then starts the names of its samples: ``cats/x``.
        object: which object of an image counts: the ``first`` that the file names, the ``largest``, or ``only`` one,
            which refuses images of several.
        names: of the classes; by default those of the files, in the order of the alphabet.
        class_attribute: of VIA's regions, the attribute that is the class.
        size: samples become ``size`` x ``size``, boxes moved along. Without it images must share one size.
        fit: how pictures of another shape become square: they are stretched, or ``pad`` makes the longer side ``size``
            and adds black at the right and at the bottom.
        val, test: the shares of a random split; the rest is for training.
        seed: of the random split.
        group_pattern: a regular expression whose one group, found in an image's name in its folder, names its group;
            no group is divided between splits.
        max_pixels: a file that says that it has more is not decoded, and is an error like every other.
        check: how many samples ``check`` decodes, spread evenly; by default all.

    Raises:
        CnnlibError: for an option that cannot work, or for files that cannot: one message with every kind of problem,
            its count and the first few. Boxes that are empty, inverted or no numbers are such, as are those of which
            more than half is outside of the picture, shares of the picture instead of pixels, and annotations made for
            a picture of another size.
    """

    @checked
    def __init__(
        self,
        root: str,
        annotations: str | Annotated[list[str], MinLen(1)],
        images: str | Annotated[list[str], MinLen(1)],
        object: Literal["first", "largest", "only"] = "first",
        names: Annotated[list[str], MinLen(1)] | None = None,
        class_attribute: str = "class",
        size: Side | None = None,
        fit: Fit = "stretch",
        val: Share = 0.1,
        test: Share = 0.1,
        seed: Seed = 0,
        group_pattern: str | None = None,
        max_pixels: MaxPixels = USUAL_PIXELS,
        check: CheckCount | None = None,
    ) -> None:
        base, problems = opened(root)
        read = partial(read_boxes, class_attribute=class_attribute, problems=problems)
        found = read_annotated(base, annotations, images, read, "images without an object", problems)
        rows = found.rows
        chosen = {name: _chosen(row, object, problems) for name, row in rows.items()}
        names = names or sorted({each.label for each in chosen.values()})
        for name, each in chosen.items():
            if each.label not in names:
                problems.add(
                    "objects of a class that names does not list", f"{rows[name].place}: {each.label!r}"
                )
        box_info = TargetInfo("box")
        reader = _Reader(rows, chosen, tuple(names), BoxTask(box_info))
        targets = {"box": TargetSource(box_info, rows, reader.box)}
        if len(names) > 1:
            info = TargetInfo("label", names=tuple(names))
            targets["label"] = TargetSource(info, rows, reader.label, class_of=reader.class_of)
        super().__init__(
            found,
            Input(found.pictures),
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


@dataclass(frozen=True)
class _Reader:
    """Targets by the sample's name."""

    rows: Mapping[str, BoxRow]
    chosen: Mapping[str, ObjectBox]
    names: tuple[str, ...]
    task: BoxTask

    def box(self, name: str, stored: Size, size: Size | None) -> Target:
        """As in ``TargetSource``: cut to the picture."""
        row, place = self.rows[name], Path(self.rows[name].place)
        if row.size not in (None, stored):
            reason = f"{row.size[1]} x {row.size[0]}; the picture is {stored[1]} x {stored[0]} when upright"
            raise ImageFileError("annotations made for a picture of another size", place, reason)
        edges = self.chosen[name].box
        cut = np.clip(edges, 0, np.tile(stored[::-1], 2))
        if area(cut.tolist()) < _LEAST_LEFT * area(edges):
            reason = f"{list(edges)} in a picture of {stored[1]} x {stored[0]}"
            raise ImageFileError("boxes that lie mostly outside of their picture", place, reason)
        try:
            self.task.check_values(torch.from_numpy(cut)[None].float())
        except CnnlibError as error:
            raise ImageFileError("not usable as a box", place, f"{row.image}: {error}") from None
        height, width = size or stored
        return Target(torch.from_numpy(cut * np.tile((width / stored[1], height / stored[0]), 2)).float())

    def label(self, name: str, stored: Size, size: Size | None) -> Target:
        return Target(torch.tensor(self.names.index(self.chosen[name].label)))

    def class_of(self, name: str) -> str:
        return self.chosen[name].label


def _chosen(row: BoxRow, which: str, problems: Problems) -> ObjectBox:
    if which == "only" and len(row.objects) > 1:
        problems.add("images of several objects; set object to first or largest", row.place)
    if which == "largest":
        return max(row.objects, key=lambda each: area(each.box))
    return row.objects[0]
