"""Texts of figures that cannot be read: clipped by the edge of the figure, or one over another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox, BboxBase

_TOLERANCE = 1.0
"""Pixels by which boxes of texts may touch: they have a margin."""


def unreadable(figure: Figure) -> list[str]:
    """Say which texts of a figure are clipped by its edge, or overlap."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    boxes = [(text, text.get_window_extent(renderer)) for text in _texts(figure)]
    clipped = [f"{text.get_text()!r} is clipped" for text, box in boxes if not _contains(figure.bbox, box)]
    upright = [(text.get_text(), box) for text, box in boxes if text.get_rotation() % 90 == 0]  # boxes of others cross
    over = [f"{one!r} is over {other!r}" for (one, a), (other, b) in combinations(upright, 2) if _overlap(a, b)]
    return clipped + over


def _texts(figure: Figure) -> Iterator[Text]:
    """All texts that are drawn: not the labels of ticks beyond the ends of an axis, nor those of hidden axes."""
    hidden = {id(text) for axes in figure.axes if not axes.get_visible() for text in axes.findobj(Text)}
    hidden |= {text for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for text in _undrawn(axis)}
    for text in figure.findobj(Text):
        if text.get_text().strip() and text.get_visible() and id(text) not in hidden:
            yield text


def _undrawn(axis: Axis) -> set[int]:
    """Labels of the ticks of an axis that are beyond its ends, by their ids."""
    low, high = sorted(axis.get_view_interval())
    room = 1e-6 * (high - low)
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    outside = [tick for tick in ticks if not low - room <= tick.get_loc() <= high + room]
    return {id(label) for tick in outside for label in (tick.label1, tick.label2)}


def _contains(whole: BboxBase, box: Bbox) -> bool:
    return (
        box.x0 >= whole.x0 - _TOLERANCE
        and box.y0 >= whole.y0 - _TOLERANCE
        and box.x1 <= whole.x1 + _TOLERANCE
        and box.y1 <= whole.y1 + _TOLERANCE
    )


def _overlap(a: Bbox, b: Bbox) -> bool:
    return min(a.x1, b.x1) - max(a.x0, b.x0) > _TOLERANCE and min(a.y1, b.y1) - max(a.y0, b.y0) > _TOLERANCE
