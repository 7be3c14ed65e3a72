"""A sample's image and targets as pictures of one size, and many samples on one sheet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from PIL import Image
from torch import Tensor

from cnnlib.tasks.base import Task
from cnnlib.tasks.drawing import to_uint8
from cnnlib.tasks.page import PALE, Page
from cnnlib.tasks.panel import input_pictures
from cnnlib.types import Sample, Target

_SMALLEST, _LARGEST = 256, 512  # a picture's longer side
_TILE = 200  # of a sheet
_TITLE, _TEXT, _GAP = 24, 15, 8


def sample_pictures(
    sample: Sample, inputs: Mapping[str, int], tasks: Mapping[str, Task]
) -> dict[str, Image.Image]:
    """The last of the ``inputs`` as ``image``, and the target of each task as it draws it, all of one size.

    Args:
        sample: it has a target, checked, of each of the ``tasks``.
    """
    image = list(input_pictures(sample["image"], inputs).values())[-1]
    height, width = image.shape[1:]
    scale = min(-(-_SMALLEST // max(height, width)), _LARGEST / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    drawn = {"image": _resized(to_uint8(image), size, Image.Resampling.BICUBIC)}
    for name, task in tasks.items():
        value, valid = sample[name]
        picture = task.draw(task.as_prediction(value), image, valid)
        drawn[name] = _resized(picture, size, Image.Resampling.NEAREST)  # maps keep their pixels
    return drawn


def sample_sheet(
    title: str, samples: Sequence[Sample], inputs: Mapping[str, int], tasks: Mapping[str, Task]
) -> Image.Image:
    """Each sample's pictures under its name: every input and every target that it has."""
    columns = len(inputs) + len(tasks)
    per_row = max(1, 6 // columns)
    page = Page(per_row * columns, _TILE)
    page.text(title, _TITLE)
    tiles = [_tiles(sample, inputs, tasks) for sample in samples]
    for start in range(0, len(tiles), per_row):
        page.gap(_GAP)
        page.row([tile for row in tiles[start : start + per_row] for tile in row])
    page.gap(_GAP)
    for name, task in tasks.items():
        page.text(f"{name}: {task.legend}", _TEXT, PALE)
    return page.picture()


def _tiles(
    sample: Sample, inputs: Mapping[str, int], tasks: Mapping[str, Task]
) -> list[tuple[str, Image.Image]]:
    """One per input and task; white where the sample has no such target."""
    size = tuple(sample["image"].shape[-2:])
    known = {key: task.check(Target(*sample[key]), size) for key, task in tasks.items() if key in sample}
    drawn = sample_pictures({**sample, **known}, inputs, {key: tasks[key] for key in known})
    *others, main = (to_uint8(picture) for picture in input_pictures(sample["image"], inputs).values())
    tiles = [Image.fromarray(each.permute(1, 2, 0).contiguous().numpy()) for each in (*others, main)]
    captions = [*list(inputs)[:-1], f"{list(inputs)[-1]}: {sample['name']}", *tasks]
    pictures = [*tiles, *(drawn.get(key) for key in tasks)]
    return [(caption, _square(picture)) for caption, picture in zip(captions, pictures, strict=True)]


def _square(picture: Image.Image | None) -> Image.Image:
    tile = Image.new("RGB", (_TILE, _TILE), "white")
    if picture is not None:
        scale = _TILE / max(picture.size)
        size = [max(1, round(length * scale)) for length in picture.size]
        way = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.NEAREST
        tile.paste(picture.resize(size, way))
    return tile


def _resized(picture: Tensor, size: tuple[int, int], enlarging: Image.Resampling) -> Image.Image:
    image = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
    return image.resize(size, enlarging if image.width < size[0] else Image.Resampling.LANCZOS)
