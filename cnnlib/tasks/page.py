"""A picture of texts and captioned pictures, one below the other."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from PIL import Image, ImageDraw, ImageFont

from cnnlib.tasks.drawing import Color, cut_text, wrap_text

INK, PALE = (32, 36, 44), (96, 102, 114)
_PAPER = (255, 255, 255)
_MARGIN, _GAP, _CAPTION = 24, 12, 15
_NARROWEST = 600  # for the texts
_font = cache(ImageFont.load_default)


class Page:
    """Texts and rows of pictures, added from top to bottom.

    Args:
        columns: pictures in the longest row.
        tile: width of a picture.
    """

    def __init__(self, columns: int, tile: int) -> None:
        self._width = max(_NARROWEST, columns * (tile + _GAP) - _GAP)
        self._bands: list[Image.Image] = []

    def text(self, text: str, size: int, color: Color = INK) -> None:
        """In as many lines as it needs."""
        font = _font(size)
        for line in wrap_text(text, font, self._width):
            band = self._band(round(1.4 * size))
            ImageDraw.Draw(band).text((0, 0), cut_text(line, font, self._width), color, font)

    def row(self, pictures: Sequence[tuple[str, Image.Image]]) -> None:
        """Pictures of one size under their captions."""
        width, height = pictures[0][1].size
        band = self._band(2 * _CAPTION + height)
        for index, (caption, picture) in enumerate(pictures):
            left = index * (width + _GAP)
            text = cut_text(caption, _font(_CAPTION), width)
            ImageDraw.Draw(band).text((left, 0), text, PALE, _font(_CAPTION))
            band.paste(picture, (left, round(1.4 * _CAPTION)))

    def gap(self, height: int) -> None:
        self._band(height)

    def picture(self) -> Image.Image:
        height = sum(band.height for band in self._bands)
        page = Image.new("RGB", (self._width + 2 * _MARGIN, height + 2 * _MARGIN), _PAPER)
        top = _MARGIN
        for band in self._bands:
            page.paste(band, (_MARGIN, top))
            top += band.height
        return page

    def _band(self, height: int) -> Image.Image:
        self._bands.append(Image.new("RGB", (self._width, height), _PAPER))
        return self._bands[-1]
