"""Pictures of targets and predictions, shared by the tasks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Self, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

Color: TypeAlias = tuple[int, int, int]

GREEN, RED, DARK_GREEN, DARK_RED = (40, 140, 70), (225, 50, 50), (20, 95, 45), (160, 25, 30)
ORANGE, BLUE = (255, 130, 0), (40, 170, 255)
_INVALID_GRAY = 128
_DARK = (32, 36, 44)
_TEXT_OPACITY = 175  # of 255, of what lies behind a text
_CANVAS = 256  # the least length of a canvas's longer side, in pixels

_NAMED: dict[str, Color] = {
    "black": (0, 0, 0), "red": (230, 25, 75), "green": (60, 180, 75), "yellow": (255, 225, 25), "blue": (0, 130, 200),
    "orange": (245, 130, 48), "purple": (145, 30, 180), "cyan": (70, 240, 240), "magenta": (240, 50, 230),
    "lime": (210, 245, 60), "pink": (250, 190, 212), "teal": (0, 128, 128), "lavender": (220, 190, 255),
    "brown": (170, 110, 40), "beige": (255, 250, 200), "maroon": (128, 0, 0), "mint": (170, 255, 195),
    "olive": (128, 128, 0), "apricot": (255, 215, 180), "navy": (0, 0, 128), "white": (255, 255, 255),
}  # fmt: skip
"""Sasha Trubetskoy's list of simple, distinct colours (2017), without the grey that means not valid."""


def to_uint8(values: Tensor) -> Tensor:
    """Values in [0, 1] (clamped; NaN is 0) to 0 ... 255."""
    return (values.float().nan_to_num(0).clamp(0, 1) * 255).round().to(torch.uint8)


def color_map(unit: Tensor, name: str) -> Tensor:
    """Values (H, W) in [0, 1] (clamped) to colours, uint8 (3, H, W), with matplotlib's map ``name``."""
    return _matplotlib_colors(name)[to_uint8(unit).long().cpu()].permute(2, 0, 1)


def gray_where_invalid(picture: Tensor, valid: Tensor | None) -> Tensor:
    """``picture`` uint8 (3, H, W) with a middle grey wherever ``valid`` (1, H, W) is false."""
    if valid is None:
        return picture
    return torch.where(valid, picture, torch.tensor(_INVALID_GRAY, dtype=torch.uint8))


def palette(size: int) -> list[Color]:
    """``size`` different colours, black first: named ones, then those of PASCAL VOC."""
    others = map(_voc_color, range(size + len(_NAMED)))
    different = dict.fromkeys([*_NAMED.values(), *others])
    different.pop((_INVALID_GRAY,) * 3, None)
    return list(different)[:size]


def color_key(names: Sequence[str], colors: Sequence[Color]) -> str:
    """``"red: cup; green: table"``, as far as the colours have names."""
    words = {color: word for word, color in _NAMED.items()}
    known = [f"{words[color]}: {name}" for name, color in zip(names, colors, strict=True) if color in words]
    return "; ".join(known + ["one more colour for each of the others"] * (len(known) < len(names)))


def cut_text(text: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    """``text``, made printable, with its end cut off where it is wider than ``width`` pixels."""
    text = "".join(letter if letter.isprintable() else "·" for letter in text)
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def wrap_text(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """``text`` in lines no wider than ``width`` pixels, broken between words."""
    lines: list[str] = []
    for word in text.split():
        if lines and font.getlength(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


class Canvas:
    """A picture to draw on, enlarged by an integer factor until its longer side has at least 256 pixels.

    Places are in pixels of the picture, (0, 0) at its corner; those that are NaN or infinite are not drawn.

    Args:
        image: float (3, H, W) in [0, 1].
    """

    def __init__(self, image: Tensor) -> None:
        small = Image.fromarray(to_uint8(image).permute(1, 2, 0).contiguous().cpu().numpy())
        self._scale = -(-_CANVAS // max(small.size))
        self._image = small.resize([length * self._scale for length in small.size], Image.Resampling.BICUBIC)
        self._draw = ImageDraw.Draw(self._image, "RGBA")  # colours may let the picture through
        self._unit = max(self._image.size) / _CANVAS
        self._text_unit = max(min(self._image.size), max(self._image.size) / 2) / _CANVAS

    def disc(self, xy: Tensor, color: Color) -> Self:
        if place := self._place(xy):
            self._draw.circle(place, 4 * self._unit, color, "white", round(self._unit))
        return self

    def line(self, start: Tensor, end: Tensor, color: Color) -> Self:
        if (one := self._place(start)) and (other := self._place(end)):
            self._draw.line([*one, *other], color, round(2 * self._unit))
        return self

    def box(self, xyxy: Tensor, color: Color) -> Self:
        if (one := self._place(xyxy[:2])) and (other := self._place(xyxy[2:])):
            x, y = zip(one, other, strict=True)
            self._draw.rectangle([min(x), min(y), max(x), max(y)], outline=color, width=round(3 * self._unit))
        return self

    def text(self, lines: Sequence[str], background: Color = _DARK) -> Self:
        """Lines in white at the lower edge, cut where they are too long; the picture shines through behind them."""
        font = ImageFont.load_default(15 * self._text_unit)
        height, margin = round(20 * self._text_unit), round(5 * self._text_unit)
        width, below = self._image.size
        top = below - height * len(lines)
        self._draw.rectangle([0, top, width, below], (*background, _TEXT_OPACITY))
        for index, line in enumerate(lines):
            place = (margin, top + index * height)
            self._draw.text(place, cut_text(line, font, width - 2 * margin), "white", font)
        return self

    def picture(self) -> Tensor:
        """uint8 (3, h, w)."""
        return torch.from_numpy(np.array(self._image)).permute(2, 0, 1)

    def _place(self, xy: Tensor) -> tuple[float, float] | None:
        """On the canvas, where it counts from the centre of the first pixel; what is far outside comes nearer."""
        if not xy.isfinite().all():
            return None
        limit = 2 * max(self._image.size)
        x, y = (xy * self._scale - 0.5).clamp(-limit, limit).tolist()
        return x, y


def _voc_color(index: int) -> Color:
    """The bits of the index, dealt to red, green and blue, the highest bit first: each colour has one index."""
    return tuple(sum((index >> 3 * bit + channel & 1) << 7 - bit for bit in range(8)) for channel in range(3))


@cache
def _matplotlib_colors(name: str) -> Tensor:
    """256 colours, uint8 (256, 3)."""
    from matplotlib import colormaps  # heavy, and only pictures need it

    colors = colormaps[name](torch.linspace(0, 1, 256).numpy())[:, :3]
    return torch.from_numpy((colors * 255).round().astype("uint8"))
