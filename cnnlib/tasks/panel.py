"""One sample and what was predicted for it, as one captioned picture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from cnnlib.tasks.base import Task
from cnnlib.tasks.drawing import cut_text, to_uint8, wrap_text
from cnnlib.types import CnnlibError, Predicted

_SMALLEST, _LARGEST = 128, 256  # a tile's longer side, in pixels
_GAP, _MARGIN = 10, 14
_TITLE, _CAPTION, _NOTE = 17, 13, 11  # font sizes
_font = cache(ImageFont.load_default)
_PAPER, _INK, _PALE = (255, 255, 255), (32, 36, 44), (110, 116, 128)


def draw_panel(sample: Predicted, inputs: Mapping[str, int], tasks: Mapping[str, Task]) -> Image.Image:
    """Inputs on the left, then one row per task: truth, prediction, error; the prediction alone without a target.

    Args:
        sample: its name is the title.
        inputs: the pictures that the image is made of and their channels; the last is the one drawn on.
        tasks: the rows, in order; only those with a prediction are drawn.
    """
    pictures = input_pictures(sample.image, inputs)
    image = list(pictures.values())[-1]
    shown = {key: task for key, task in tasks.items() if key in sample.predictions}
    rows = [list(_row(task, key, sample, image)) for key, task in shown.items()] or [[]]
    photos = [_Tile(key, to_uint8(picture), smooth=True) for key, picture in pictures.items()]
    columns = -(-len(photos) // len(rows))  # as few as hold the inputs beside the rows
    for index, row in enumerate(rows):
        row[:0] = (photos[index * columns : (index + 1) * columns] + [None] * columns)[:columns]
    notes = [_note(task, key, sample) for key, task in shown.items()] or [""]
    return _compose(sample.name, rows, notes)


def panel_tensor(panel: Image.Image) -> Tensor:
    """A panel as TensorBoard takes a picture, uint8 (3, H, W)."""
    return torch.from_numpy(np.array(panel)).permute(2, 0, 1)


def input_pictures(image: Tensor, inputs: Mapping[str, int]) -> dict[str, Tensor]:
    """What ``image`` (C, H, W) shows, float (3, H, W) each; a picture without three channels is shown by its first.

    Raises:
        CnnlibError: ``image`` does not have the channels of ``inputs``.
    """
    channels = sum(inputs.values())
    if image.ndim != 3 or image.shape[0] != channels:
        raise CnnlibError(
            f"an image of {', '.join(inputs)} must be ({channels}, H, W); it is {tuple(image.shape)}"
        )
    parts = image.float().clamp(0, 1).cpu().split(list(inputs.values()))
    return {
        name: part if len(part) == 3 else part[:1].expand(3, -1, -1)
        for name, part in zip(inputs, parts, strict=True)
    }


@dataclass(frozen=True)
class _Tile:
    caption: str
    picture: Tensor  # uint8 (3, H, W)
    smooth: bool = False  # photographs are; maps keep their pixels

    @property
    def side(self) -> int:
        return max(self.picture.shape[1:])

    def render(self, wanted: int) -> Image.Image:
        """Reduced to the largest size, or enlarged by an integer factor: at least to the smallest size."""
        tile = Image.fromarray(self.picture.permute(1, 2, 0).contiguous().numpy())
        if self.side > _LARGEST:
            return tile.resize(
                [max(1, round(length * _LARGEST / self.side)) for length in tile.size],
                Image.Resampling.LANCZOS,
            )
        scale = max(-(-_SMALLEST // self.side), wanted // self.side)
        way = Image.Resampling.LANCZOS if self.smooth else Image.Resampling.NEAREST
        return tile.resize([length * scale for length in tile.size], way) if scale > 1 else tile


def _row(task: Task, key: str, sample: Predicted, image: Tensor) -> Iterator[_Tile | None]:
    prediction, target = sample.predictions[key], sample.targets.get(key)
    if target is not None:
        truth = task.draw(task.as_prediction(target.value), image, target.valid)
        yield _Tile(f"{key}: truth", truth)
    elif sample.targets:
        yield None  # the truth of other tasks stands in this column
    yield _Tile(f"{key}: prediction", task.draw(prediction, image))
    if target is not None:
        yield _Tile(f"{key}: error", task.draw_error(prediction, target, image))


def _note(task: Task, key: str, sample: Predicted) -> str:
    legend = f"{key}: {task.legend}"
    return f"{legend}. Error: {task.error_legend}" if key in sample.targets else legend


def _compose(title: str, rows: Sequence[Sequence[_Tile | None]], notes: Sequence[str]) -> Image.Image:
    """The title, and a strip for each row: tiles on one grid under their captions, a note below."""
    shown = [tile for row in rows for tile in row if tile]
    side = max([_SMALLEST, *(min(tile.side, _LARGEST) for tile in shown)])
    pictures = [[tile and (tile.caption, tile.render(side)) for tile in row] for row in rows]
    widths = [
        max(picture.width, _width(text, _CAPTION)) for row in pictures for text, picture in filter(None, row)
    ]
    cell = max(widths) + _GAP
    width = max(len(row) for row in rows) * cell - _GAP
    strips = [
        _strip(row, wrap_text(note, _font(_NOTE), width), width, cell)
        for row, note in zip(pictures, notes, strict=True)
    ]
    height = _TITLE + sum(_GAP + strip.height for strip in strips)
    sheet = Image.new("RGB", (width + 2 * _MARGIN, height + 2 * _MARGIN), _PAPER)
    title = cut_text(title, _font(_TITLE), width)
    ImageDraw.Draw(sheet).text((_MARGIN, _MARGIN - 4), title, _INK, _font(_TITLE))
    top = _MARGIN + _TITLE + _GAP
    for strip in strips:
        sheet.paste(strip, (_MARGIN, top))
        top += strip.height + _GAP
    return sheet


def _strip(
    tiles: Sequence[tuple[str, Image.Image] | None], note: Sequence[str], width: int, cell: int
) -> Image.Image:
    """One row of captioned tiles, each in a cell of the grid, and its note."""
    below = _CAPTION + 11 + max((tile[1].height for tile in tiles if tile), default=0)
    strip = Image.new("RGB", (width, below + len(note) * (_NOTE + 4)), _PAPER)
    draw = ImageDraw.Draw(strip)
    for column, tile in enumerate(tiles):
        if tile:
            draw.text((column * cell, 0), tile[0], _INK, _font(_CAPTION))
            strip.paste(tile[1], (column * cell, _CAPTION + 6))
    for index, line in enumerate(note):
        draw.text((0, below + index * (_NOTE + 4)), line, _PALE, _font(_NOTE))
    return strip


def _width(text: str, size: int) -> int:
    return round(_font(size).getlength(text))
