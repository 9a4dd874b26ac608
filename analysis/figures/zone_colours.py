"""Colours of maps of the butter zone, and their colour bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from analysis.figures.grid import INK, MUTED, name_panel
from analysis.figures.zone import CAP, MinMax, variation_value, zone_value

_RATIOS = (1.0, 1.05, 1.1, 1.2, 1.3, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0, 100.0, 1000.0)
_VARIATIONS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours of maps.

    Attributes:
        scale: From values to 0 .. 1.
        map: Name of the colour map.
        title: Of the colour bar.
        ticks: Of the colour bar: values, with their texts.
    """

    scale: MinMax
    map: str
    title: str
    ticks: tuple[tuple[float, str], ...]


def loss_colours(values: Sequence[npt.NDArray[np.float64]], minimum: float, cap: float) -> Colours:
    """Return the colours of maps of `zone_value`, of a task with this minimum; of 0 or less, in parts of the range."""
    scale = MinMax.of(values)
    ticks = [(float(zone_value(ratio, cap)), _ratio_text(ratio, minimum, cap)) for ratio in _RATIOS if ratio <= cap]
    return Colours(scale, "viridis", "loss ÷ minimum" if minimum > 0 else "loss, % of range", tuple(ticks))


def variation_colours(values: Sequence[npt.NDArray[np.float64]]) -> Colours:
    """Return the colours of maps of `variation_value`."""
    scale = MinMax.of(values)
    named = [each for each in _VARIATIONS if scale.low <= variation_value(each) <= scale.high]
    if len(named) < 2:  # a narrow range: name its ends
        named = [float(np.expm1(value)) / 10 for value in (scale.low, scale.high)]
    ticks = [(float(variation_value(each)), f"{each:.3g}") for each in named]
    return Colours(scale, "cividis", "stddev ÷ mean", tuple(ticks))


def colour_bar(figure: Figure, axes: Sequence[Axes], colours: Colours) -> None:
    """Draw the colour bar to the right of some panels, where there must be room for it."""
    boxes = [one.get_position() for one in axes]
    bottom, top = min(box.y0 for box in boxes), max(box.y1 for box in boxes)
    bottom = max(bottom, top - 3.4 / figure.get_figheight())
    left = max(box.x1 for box in boxes) + 0.16 / figure.get_figwidth()
    place = figure.add_axes((left, bottom, 0.16 / figure.get_figwidth(), top - bottom))
    bar = figure.colorbar(ScalarMappable(Normalize(0, 1), matplotlib.colormaps[colours.map]), cax=place)
    scale = colours.scale
    seen = (scale.low - 1e-9, scale.high + 1e-9)
    ticks = [(float(scale(value)), text) for value, text in colours.ticks if seen[0] <= value <= seen[1]]
    ticks = [tick for number, tick in enumerate(ticks) if not number or _apart(ticks[number - 1], tick)]
    bar.set_ticks([place for place, _ in ticks])
    bar.set_ticklabels([text for _, text in ticks])
    place.tick_params(labelsize=8.5, color=MUTED, labelcolor=INK)
    name_panel(place, colours.title, fontsize=9, pad=11)


def _apart(one: tuple[float, str], other: tuple[float, str]) -> bool:
    """Whether there is room for the texts of two neighbouring ticks of a colour bar."""
    return abs(other[0] - one[0]) > 0.04


def _ratio_text(ratio: float, minimum: float, cap: float) -> str:
    if minimum <= 0:
        return "minimum" if ratio == 1 else "maximum" if ratio == CAP else f"+{ratio - 1:.0%}"
    words = {1.0: "1.0x (best)", cap: f"{cap:g}x and more"}
    return words.get(ratio, f"{ratio:g}x")
