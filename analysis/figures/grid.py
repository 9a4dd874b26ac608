"""A grid of panels on one figure: layout, shared axes, ticks. It leaves matplotlib's global state alone."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from analysis.figures.panels import Panel
from analysis.figures.pictures import Drawing
from analysis.figures.ticks import log_ticks, power_of_two
from analysis.reading.labels import figure_text
from survey.text.escaping import printable

MAX_PANELS = 12
"""Most panels of one figure; the figure says how many it leaves out."""

INK, MUTED = "#1f2933", "#5f6b7a"
WIDTH, SINGLE_WIDTH = 8.6, 6.4
"""Widths of a figure with several panels and with one, in inches."""

Colour = tuple[float, float, float, float]

_FAR = 100
"""Factor beyond which losses are far from others: of runs that diverged."""

_WIDER = 10
"""How much wider than all values a band may be, and be shown as a whole."""

_CHARACTER, LINE = 0.078, 0.16
"""Width of a character of a title, and height of its line, in inches."""

TITLE_PAD = 7
"""Points between a panel and its title: room for half of a sign at its upper edge, where the last epoch is."""

_NOTE_CHARACTER = 0.064
"""Width of a character of a footnote, in inches."""

_PANEL_HEIGHT = 2.3
_LEFT, _NOTE = 0.72, 0.28


@dataclass(frozen=True, slots=True)
class Room:
    """Room around panels and between them, in inches.

    Attributes:
        right: For a colour bar or a legend.
        top: For titles.
        bottom: For the labels of the axes, and a footnote.
        gap_x: Between panels side by side.
        gap_y: Between panels above each other.
    """

    right: float
    top: float = 0.36
    bottom: float = 0.58
    gap_x: float = 0.34
    gap_y: float = 0.36


def grid(
    panels: Sequence[Panel],
    *,
    room: Room,
    noted: bool,
    columns: int | None = None,
    sharey: bool = True,
) -> tuple[Figure, list[Axes]]:
    """Lay out titled axes for each panel, all with shared scales.

    Args:
        panels: At least one panel; at most `MAX_PANELS` are drawn.
        room: Room around and between the panels.
        noted: Whether to leave more of it at the bottom, for a footnote.
        columns: Panels side by side; by default by the shapes of the networks in them.
        sharey: Whether the panels share the scale of y.

    Returns:
        The figure, 8.6 inches wide, and its axes in the order of the panels.
    """
    drawn = panels[:MAX_PANELS]
    columns = columns or _columns(drawn)
    rows = -(-len(drawn) // columns)
    single = len(drawn) == 1
    width = SINGLE_WIDTH if single else WIDTH
    titles = [folded(panel.title, panel_width(width, columns, room)) for panel in drawn]
    higher = LINE * (max(map(len, titles)) - 1)
    figure, shared = layout(
        rows,
        columns,
        width=width,
        panel_height=3.2 if single else _PANEL_HEIGHT,
        room=replace(room, top=room.top + higher, bottom=room.bottom + _NOTE * noted, gap_y=room.gap_y + higher),
        sharey=sharey,
    )
    flat = [axes for row in shared for axes in row]
    for unused in flat[len(drawn) :]:
        unused.set_visible(False)
    for axes, lines in zip(flat, titles, strict=False):
        name_panel(axes, "\n".join(map(figure_text, lines)))
    for axes in flat[max(len(drawn) - columns, 0) : len(drawn)]:
        axes.tick_params(labelbottom=True)
    return figure, flat[: len(drawn)]


def layout(
    rows: int,
    columns: int,
    *,
    width: float = WIDTH,
    panel_height: float,
    room: Room,
    sharex: bool = True,
    sharey: bool = True,
) -> tuple[Figure, list[list[Axes]]]:
    """Make axes in rows and columns; all lengths are in inches.

    Returns:
        The figure, as high as its rows require, and its axes by row.
    """
    height = room.top + rows * panel_height + (rows - 1) * room.gap_y + room.bottom
    inches = panel_width(width, columns, room)
    figure = Drawing(figsize=(width, height), facecolor="white")
    axes = figure.subplots(
        rows,
        columns,
        squeeze=False,
        sharex=sharex,
        sharey=sharey,
        gridspec_kw={
            "left": _LEFT / width,
            "right": 1 - room.right / width,
            "top": 1 - room.top / height,
            "bottom": room.bottom / height,
            "wspace": room.gap_x / inches,
            "hspace": room.gap_y / panel_height,
        },
    )
    for one in axes.flat:
        one.tick_params(labelsize=8.5, color=MUTED, labelcolor=INK)
        for spine in one.spines.values():
            spine.set_color(MUTED)
    return figure, [list(row) for row in axes]


def panel_width(width: float, columns: int, room: Room) -> float:
    """Return the width of each of some panels side by side; all lengths are in inches."""
    return (width - _LEFT - room.right - (columns - 1) * room.gap_x) / columns


def folded(title: str, inches: float) -> list[str]:
    """Break a title into lines of a width: after spaces and underscores, and within parts that are longer than that."""
    characters = max(1, int(inches / _CHARACTER))
    lines = [""]
    for part in re.findall(r"[^ _]+[ _]*|[ _]+", printable(title)):
        for start in range(0, len(part), characters):
            piece = part[start : start + characters]
            if len((lines[-1] + piece).rstrip()) > characters:
                lines.append("")
            lines[-1] += piece
    return [line.strip(" ") for line in lines if line.strip(" ")] or [""]


def name_panel(axes: Axes, text: str, *, fontsize: float = 9.5, pad: float = TITLE_PAD) -> None:
    """Write the title of a panel, so many points above it.

    Its place is given, as matplotlib would measure all ticks to find it.
    """
    axes.set_title(text, fontsize=fontsize, color=INK, loc="left", pad=pad, y=1.0)


def shorter(text: str, most: int) -> str:
    """Return a text of at most so many characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def rule(axes: Axes) -> None:
    """Draw faint grid lines behind the data."""
    axes.grid(visible=True, color="#e4e7eb", linewidth=0.6)
    axes.set_axisbelow(True)


def key(figure: Figure, axes: Sequence[Axes], groups: Sequence[tuple[str, Sequence[Artist]]]) -> None:
    """Draw legends to the right of the panels, one below the other, each with a title."""
    boxes = [one.get_position() for one in axes]
    left, top = max(box.x1 for box in boxes) + 0.08 / figure.get_figwidth(), max(box.y1 for box in boxes)
    for title, handles in (group for group in groups if group[1]):
        legend = figure.legend(
            handles=list(handles),
            title=title,
            loc="upper left",
            bbox_to_anchor=(left, top),
            frameon=False,
            fontsize=8.5,
            title_fontsize=8.5,
            alignment="left",
            borderaxespad=0,
            handlelength=1.8,
            labelcolor=INK,
        )
        legend.get_title().set_color(INK)
        top -= (0.32 + 0.2 * len(handles)) / figure.get_figheight()


def shades(values: Sequence[float]) -> dict[float, Colour]:
    """Return a colour for each of some increasing positive values, by their logarithm.

    From viridis, which colour-blind people can read, and which prints in grey; without its lightest yellow, which is
    faint on white.
    """
    norm = LogNorm(values[0], values[-1]) if len(values) > 1 else Normalize(values[0], values[0] + 1)
    return {value: matplotlib.colormaps["viridis"](0.86 * float(norm(value))) for value in values}


def ranked(count: int) -> list[Colour]:
    """Return so many colours of `shades` for values in order, whatever they are."""
    return [matplotlib.colormaps["viridis"](0.86 * place / max(count - 1, 1)) for place in range(count)]


def name_axes(figure: Figure, axes: Sequence[Axes], *, x: str, y: str) -> None:
    """Label the shared axes once, centred on the panels."""
    boxes = [one.get_position() for one in axes]
    height = figure.get_figheight()
    middle_x = (min(box.x0 for box in boxes) + max(box.x1 for box in boxes)) / 2
    middle_y = (min(box.y0 for box in boxes) + max(box.y1 for box in boxes)) / 2
    left, bottom = 0.17 / figure.get_figwidth(), min(box.y0 for box in boxes)
    figure.text(middle_x, bottom - 0.40 / height, x, ha="center", va="center", fontsize=9.5, color=INK)
    figure.text(left, middle_y, y, ha="center", va="center", rotation=90, fontsize=9.5, color=INK)


def footnote(figure: Figure, text: str, num_panels: int) -> None:
    """Write a line or two under the panels, with the number of panels left out, if any."""
    if num_panels > MAX_PANELS:
        left_out = num_panels - MAX_PANELS
        text = f"{text}   {left_out} more panel{'s' if left_out > 1 else ''} of {num_panels} not drawn.".strip()
    position = (_LEFT / figure.get_figwidth(), 0.14 / figure.get_figheight())
    lines = textwrap.wrap(printable(text), int((figure.get_figwidth() - _LEFT) / _NOTE_CHARACTER))
    figure.text(
        *position, "\n".join(map(figure_text, lines)), ha="left", va="center", fontsize=8, color=MUTED, linespacing=1.1
    )


def notice(axes: Axes, text: str) -> None:
    """Say in a panel why it is empty."""
    axes.text(0.5, 0.5, text, ha="center", va="center", transform=axes.transAxes, fontsize=9, color=MUTED, wrap=True)
    axes.set_facecolor("#f4f5f7")


def log_sizes(axes: Axes, parameters: npt.NDArray[np.float64], most: int = 7) -> None:
    """Make x a logarithmic axis of trainable parameters with at most `most` ticks, at powers of two."""
    low, high = float(parameters.min()), float(parameters.max())
    axes.set_xscale("log", base=2)
    axes.set_xlim(low, high if high > low else 2 * low)
    first, last = int(np.ceil(np.log2(low) - 0.1)), int(np.floor(np.log2(max(high, 2 * low)) + 0.1))
    step = max(1, -(-(last - first + 1) // most))
    ticks = [2.0**power for power in range(first, last + 1, step)]
    _fix(axes.xaxis, ticks, lambda value, _: power_of_two(round(np.log2(value))))


def log_epochs(axis: object, last: int) -> None:
    """Put ticks 1, 10, 100, ... (below 50 epochs also 2, 5, 20) on a logarithmic axis of epochs up to `last`."""
    steps = (1, 2, 5) if last < 50 else (1,)
    ticks = [float(step * 10**power) for power in range(8) for step in steps if step * 10**power <= max(last, 2)]
    _fix(axis, ticks, lambda value, _: f"{value:,.0f}")


def loss_axis(
    axes: Axes,
    values: npt.NDArray[np.float64],
    band: npt.NDArray[np.float64] | None = None,
    *,
    cut: bool = True,
) -> None:
    """Scale y to finite values, and to the edges of a band around them: logarithmic if all values are positive.

    `cut` leaves out those far above the median.
    """
    if values.min() <= 0:
        axes.yaxis.set_major_locator(MaxNLocator(6))
        return
    all_values = values if band is None else np.concatenate([values, band[band >= values.min() / _FAR]])
    near = all_values[all_values <= _FAR * np.median(values)] if cut else all_values
    low, high = float(all_values.min()), float(near.max())
    margin = (high / low) ** 0.05 if high > low else 1.1
    axes.set_yscale("log")
    axes.set_ylim(low / margin, high * margin)
    _fix(axes.yaxis, log_ticks(low / margin, high * margin), lambda value, _: f"{value:g}")


def value_axis(axes: Axes, values: npt.NDArray[np.float64], band: npt.NDArray[np.float64], *, cut: bool) -> None:
    """Scale y to finite values of any metric: logarithmic if all are positive and they differ by a factor of ten.

    A `band` around them is shown unless it is very much wider than the values themselves.
    """
    low, high = float(values.min()), float(values.max())
    if low > 0 and high >= 10 * low:
        loss_axis(axes, values, band, cut=cut)
        return
    span = _WIDER * ((high - low) or abs(high) or 1.0)
    near = np.clip(np.concatenate([values, band]), low - span, high + span)
    margin = 0.05 * (float(near.max() - near.min()) or span)
    axes.set_ylim(float(near.min()) - margin, float(near.max()) + margin)
    axes.yaxis.set_major_locator(MaxNLocator(6))


def _columns(panels: Sequence[Panel]) -> int:
    """A column per shape if there are two or three, so that panels to compare are side by side."""
    shapes = len({panel.frame["shape"].iloc[0] for panel in panels})
    return min(len(panels), shapes if shapes in (2, 3) else 2 if shapes == 4 else 3)


def _fix(axis: object, ticks: list[float], text: object) -> None:
    axis.set_major_locator(FixedLocator(ticks))  # type: ignore[attr-defined]
    axis.set_minor_locator(NullLocator())  # type: ignore[attr-defined]
    axis.set_major_formatter(FuncFormatter(text))  # type: ignore[attr-defined, arg-type]
