"""What matters, as bars: the share of variance that each axis and the largest pairs explain, and the noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from analysis.conclusions.axis_effects import HIGHER, NOISE, Effect
from analysis.figures.grid import INK, SINGLE_WIDTH, Room, layout
from analysis.reading.labels import figure_text
from survey.errors import InputError

MAX_PAIRS = 6
"""Most pairs that have a bar: those that explain most."""

LEAST = 0.005
"""Share below which interactions have no bar."""

_NEXT_TO_NONE, _ROUNDING = 5e-4, 1e-6
"""Shares below which a number is `<0.1 %`, and 0."""

_AXIS, _PAIR, _NOISE = "#0072b2", "#e69f00", "#b3bac4"  # of Okabe and Ito, and a grey
_BAR, _EDGES = 0.24, 0.7
"""Height of a bar with its gap, and of what is above and below all of them, in inches."""
_LEFT = 0.36
"""Where bars begin, as a fraction of the width."""
_CHARACTERS = 34
"""Characters of a name that fit beside the bars."""


def effect_bars(effects: Sequence[Effect]) -> Figure:
    """Draw the shares of variance: axes, the largest pairs, higher interactions if they explain anything, and noise.

    Args:
        effects: As `analysis.conclusions.axis_effects` returns them, at least one; those that are NaN are not drawn.

    Returns:
        The figure, 6.4 inches wide.

    Raises:
        InputError: No share is known.
    """
    drawn = shown_effects(effects)
    if not drawn:
        raise InputError("no share of variance is known; expected effects of scores that differ")
    figure, ((axes,),) = layout(
        1, 1, width=SINGLE_WIDTH, panel_height=_BAR * len(drawn), room=Room(right=0.75, top=0.42)
    )
    box = axes.get_position()
    axes.set_position((_LEFT, box.y0, box.x1 - _LEFT, box.height))  # names are long
    places = np.arange(len(drawn))[::-1]
    colours = [_colour(effect) for effect in drawn]
    axes.barh(places, [effect.share for effect in drawn], height=0.68, color=colours)
    for place, effect in zip(places, drawn, strict=True):
        axes.text(effect.share, place, f"  {percent(effect.share)}", va="center", fontsize=8.5, color=INK)
    axes.set_yticks(places, [_short(effect.name) for effect in drawn])
    axes.set_xlim(0, max(effect.share for effect in drawn) or 1)
    axes.set_ylim(-0.6, len(drawn) - 0.4)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel("share of the variance", fontsize=9.5, color=INK)
    axes.tick_params(axis="y", length=0)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.legend(
        handles=_signs(drawn), loc="upper left", bbox_to_anchor=(0.0, 1.0), ncols=3, frameon=False, fontsize=8.5
    )
    return figure


def shown_effects(effects: Sequence[Effect]) -> list[Effect]:
    """Return the effects that have a bar, in their order: all axes, noise, and of the interactions the larger ones."""
    known = [effect for effect in effects if not np.isnan(effect.share)]
    pairs = [effect for effect in known if len(effect.axes) == 2 and effect.share >= LEAST][:MAX_PAIRS]
    return [effect for effect in known if len(effect.axes) == 1 or effect in pairs or _is_shown(effect)]


def _is_shown(effect: Effect) -> bool:
    return effect.name == NOISE or (effect.name == HIGHER and effect.share >= LEAST)


def percent(share: float) -> str:
    """Write a share: `12 %`, `0.4 %`; `<0.1 %`; what is but an error of rounding is 0."""
    if share < _ROUNDING:
        return "0 %"
    if share < _NEXT_TO_NONE:
        return "<0.1 %"
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def _colour(effect: Effect) -> str:
    if effect.axes:
        return _AXIS if len(effect.axes) == 1 else _PAIR
    return _PAIR if effect.name == HIGHER else _NOISE


def _short(name: str) -> str:
    text = figure_text(name)
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 1]}…"


def _signs(effects: Sequence[Effect]) -> list[Artist]:
    names = {_AXIS: "an axis alone", _PAIR: "axes together, beyond their own", _NOISE: "noise of repetitions"}
    used = {_colour(effect) for effect in effects}
    return [Patch(color=colour, label=name) for colour, name in names.items() if colour in used]
