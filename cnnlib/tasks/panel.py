"""One sample and what was predicted for it, as one captioned picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from cnnlib.tasks.base import Task
from cnnlib.types import CnnlibError, Predicted

_SMALLEST, _LARGEST = 128, 256  # a tile's longer side, in pixels
_GAP, _MARGIN = 10, 14
_TITLE, _CAPTION, _NOTE = 17, 13, 11  # font sizes
_PAPER, _INK, _PALE = (255, 255, 255), (32, 36, 44), (110, 116, 128)


def draw_panel(sample: Predicted, image_names: Sequence[str], tasks: Mapping[str, Task]) -> Image.Image:
    """Inputs at the left, then a row a task: truth, prediction, error; the prediction alone where no truth is known.

    Args:
        sample: its name is the title.
        image_names: what each group of three channels of the image shows.
        tasks: the rows, in order; only those with a prediction are drawn.

    Raises:
        CnnlibError: the image does not have three channels for each of ``image_names``.
    """
    rows = [list(_row(task, key, sample)) for key, task in tasks.items() if key in sample.predictions]
    inputs = [
        _Tile(key, picture, smooth=True) for key, picture in input_pictures(sample.image, image_names).items()
    ]
    columns = -(-len(inputs) // max(len(rows), 1))  # as few as hold the inputs beside the rows
    rows = rows or [[]]
    for index, row in enumerate(rows):
        row[:0] = (inputs[index * columns : (index + 1) * columns] + [None] * columns)[:columns]
    notes = [
        f"{key} error: {legend(type(task).draw_error, task)}" if key in sample.targets else ""
        for key, task in tasks.items()
        if key in sample.predictions
    ] or [""]
    return _compose(sample.name, rows, notes)


def panel_tensor(panel: Image.Image) -> Tensor:
    """A panel as TensorBoard takes a picture, uint8 (3, H, W)."""
    return torch.from_numpy(np.array(panel)).permute(2, 0, 1)


def input_pictures(image: Tensor, image_names: Sequence[str]) -> dict[str, Tensor]:
    """What ``image`` (C, H, W) shows, uint8 (3, H, W) each.

    Raises:
        CnnlibError: ``image`` does not have three channels for each of ``image_names``.
    """
    if image.ndim != 3 or image.shape[0] != 3 * len(image_names):
        raise CnnlibError(
            f"an image of {', '.join(image_names)} must be ({3 * len(image_names)}, H, W); it is {tuple(image.shape)}"
        )
    pictures = (image.float().clamp(0, 1) * 255).round().to(torch.uint8).cpu().split(3)
    return dict(zip(image_names, pictures, strict=True))


def legend(method: Callable[..., Tensor], task: Task) -> str:
    """What the colours of ``Task.draw`` or ``Task.draw_error`` mean, in one line; empty where nothing is said.

    It is the method's own description, with the task's numbers put in beside their names.
    """
    text = " ".join((method.__doc__ or "").partition("\n\n")[0].replace("``", "").split())
    for name, value in vars(task).items():
        if isinstance(value, int | float):
            text = text.replace(name, f"{name} ({value:g})")
    return text


@dataclass(frozen=True)
class _Tile:
    caption: str
    picture: Tensor  # uint8 (3, H, W)
    smooth: bool = False  # photographs are; maps keep their pixels

    def render(self) -> Image.Image:
        tile = Image.fromarray(self.picture.permute(1, 2, 0).contiguous().numpy())
        side = max(tile.size)
        if side > _LARGEST:
            return tile.resize(
                [max(1, round(length * _LARGEST / side)) for length in tile.size], Image.Resampling.LANCZOS
            )
        scale = -(-_SMALLEST // side)
        way = Image.Resampling.LANCZOS if self.smooth else Image.Resampling.NEAREST
        return tile.resize([length * scale for length in tile.size], way) if scale > 1 else tile


def _row(task: Task, key: str, sample: Predicted) -> Iterator[_Tile]:
    prediction, target, valid = sample.predictions[key], sample.targets.get(key), sample.valid.get(key)
    if target is not None:
        yield _Tile(f"{key}: truth", task.draw(target, valid))
    yield _Tile(f"{key}: prediction", task.draw(prediction))
    if target is not None:
        yield _Tile(f"{key}: error", task.draw_error(prediction, target, valid))


def _compose(title: str, rows: Sequence[Sequence[_Tile | None]], notes: Sequence[str]) -> Image.Image:
    """Tiles on one grid under their captions, a note under each row."""
    tiles = [[tile and (tile.caption, tile.render()) for tile in row] for row in rows]
    shown = [tile for row in tiles for tile in row if tile]
    caption, note, heading = (ImageFont.load_default(size) for size in (_CAPTION, _NOTE, _TITLE))
    cell = max(
        [picture.width for _, picture in shown] + [round(caption.getlength(text)) for text, _ in shown]
    )
    width = 2 * _MARGIN + max(len(row) for row in rows) * (cell + _GAP) - _GAP
    lines = [_wrap(text, note, width - 2 * _MARGIN) for text in notes]
    heights = [max((tile[1].height for tile in row if tile), default=0) for row in tiles]
    row_heights = [
        _CAPTION + 6 + height + len(wrapped) * (_NOTE + 4) + _GAP + 4
        for height, wrapped in zip(heights, lines, strict=True)
    ]
    sheet = Image.new("RGB", (width, _MARGIN + _TITLE + _GAP + sum(row_heights) + _MARGIN - _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN - 4), _cut(title, heading, width - 2 * _MARGIN), _INK, heading)
    top = _MARGIN + _TITLE + _GAP
    for row, height, wrapped, row_height in zip(tiles, heights, lines, row_heights, strict=True):
        for column, tile in enumerate(row):
            if tile:
                left = _MARGIN + column * (cell + _GAP)
                draw.text((left, top), tile[0], _INK, caption)
                sheet.paste(tile[1], (left, top + _CAPTION + 6))
        for index, line in enumerate(wrapped):
            below = top + _CAPTION + 6 + height + 5 + index * (_NOTE + 4)
            draw.text((_MARGIN, below), line, _PALE, note)
        top += row_height
    return sheet


def _wrap(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """``text`` in lines no wider than ``width`` pixels, broken between words."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _cut(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """``text``, made printable, with its end cut off where it is wider than ``width`` pixels."""
    text = "".join(letter if letter.isprintable() else "·" for letter in text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
