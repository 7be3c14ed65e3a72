"""One picture of many scenes with all their targets, to be looked at."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from PIL import Image, ImageDraw
from torch import Tensor

from cnnlib.checks import checked
from cnnlib.datasets.options import Seed
from cnnlib.datasets.scenes.render import render
from cnnlib.datasets.scenes.rendered import MIN_SIZE
from cnnlib.datasets.scenes.source import Scenes, SceneSplit, stored
from cnnlib.tasks import TASKS
from cnnlib.types import Sample, Split

COLUMNS = (*Scenes.inputs, *Scenes.targets)
_GAP, _CAPTION = 4, 16


@checked
def contact_sheet(
    count: Annotated[int, Ge(1)] = 8,
    size: Annotated[int, Ge(MIN_SIZE)] = 160,
    seed: Seed = 0,
    split: Split = "train",
) -> Image.Image:
    """The first ``count`` scenes, a row each: the inputs, and every target as its task draws it.

    Raises:
        CnnlibError: unless there is at least one scene, of at least 16 pixels, and the seed is not negative.
    """
    scenes = SceneSplit(split, stored(render(seed, split, range(count), size)))
    step = size + _GAP
    sheet = Image.new("RGB", (len(COLUMNS) * step + _GAP, count * step + _CAPTION), "white")
    draw = ImageDraw.Draw(sheet)
    for column, name in enumerate(COLUMNS):
        draw.text((_GAP + column * step, 2), name, fill="black")
        for row in range(count):
            picture = _picture(name, scenes[row]).permute(1, 2, 0).contiguous().numpy()
            tile = Image.fromarray(picture).resize((size, size), Image.Resampling.BOX)  # some draw larger
            sheet.paste(tile, (_GAP + column * step, _CAPTION + row * step))
    return sheet


def _picture(name: str, scene: Sample) -> Tensor:
    """uint8 (3, H, W)."""
    inputs = dict(zip(Scenes.inputs, scene["image"].split(list(Scenes.inputs.values())), strict=True))
    if name in inputs:
        return (inputs[name] * 255).round().to(torch.uint8)
    info, image = Scenes.targets[name], list(inputs.values())[-1]
    task = TASKS[info.kind](info=info)
    target = task.check(scene[name], tuple(image.shape[-2:]))
    return task.draw(task.as_prediction(target.value), image, target.valid)
