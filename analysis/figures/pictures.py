"""Figures for a page and a notebook: small PNGs, the same bytes for the same figure."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

_DPI = 160
"""Pixels per inch: enough for high-resolution screens and print."""

_PAGE_DPI = 118
"""CSS pixels per inch: 8.6 inches fill the width of the page."""

_NOTEBOOK_DPI = 100
"""CSS pixels per inch in a notebook, as matplotlib's own: 8.6 inches fit beside the numbers of the cells."""

_COLOURS = 224
"""Colours of a picture: the maps have 26 shades; the rest is for edges of lines and text, and for crossing bands."""

_MOST_OF_ONE = 1000
"""Pixels of one colour, such as white, that count when colours are chosen: to look at all takes longer than to draw."""

_COMPRESSION = 7
"""Level of compression: 9 takes five times as long, and saves 6 %."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure in a page.

    Attributes:
        data: PNG in base64.
        width: Width in the page, in CSS pixels; the PNG has more pixels.
        height: Height in the page, in CSS pixels.
        alt: What it shows, in words.
    """

    data: str
    width: int
    height: int
    alt: str


class Drawing(Figure):
    """A figure that draws itself as the last value of a notebook's cell, in any kernel and without pyplot."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        width, height = _css_size(self, _NOTEBOOK_DPI)
        return png(self), {"width": width, "height": height}


def picture(figure: Figure, alt: str) -> Picture:
    """Draw a figure for a page."""
    return Picture(base64.b64encode(png(figure)).decode(), *_css_size(figure, _PAGE_DPI), alt)


def _css_size(figure: Figure, dpi: int) -> tuple[int, int]:
    """Width and height, in CSS pixels."""
    width, height = (round(float(inches) * dpi) for inches in figure.get_size_inches())
    return width, height


def png(figure: Figure) -> bytes:
    """Draw a figure as a PNG with a palette, half the size of one in full colour."""
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(_DPI)
    canvas.draw()
    file = io.BytesIO()
    _with_palette(np.asarray(canvas.buffer_rgba())).save(file, format="png", compress_level=_COMPRESSION)
    return file.getvalue()


def _with_palette(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    """An image of `_COLOURS` colours from pixels (height, width, 4), whose last byte does not count."""
    codes = pixels.view("<u4")[..., 0] & 0xFFFFFF
    colours, counts = np.unique(codes, return_counts=True)
    times = np.minimum(counts, _MOST_OF_ONE)
    sample = np.repeat(colours, times)[None].view(np.uint8).reshape(1, -1, 4)
    chosen = Image.fromarray(sample[..., :3]).quantize(
        _COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE
    )
    places = np.zeros(0x1000000, np.uint8)  # in the palette, by code; the system fills what is used of it
    places[colours] = np.asarray(chosen)[0, np.cumsum(times) - 1]
    image = Image.fromarray(places[codes])
    image.putpalette(chosen.getpalette() or [])
    return image
