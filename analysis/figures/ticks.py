"""Ticks of axes: round numbers, and powers in letters of the font, as matplotlib sets a formula ten times as slowly."""

from __future__ import annotations

import numpy as np
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from analysis.reading.labels import size_text

_RAISED = str.maketrans("−-0123456789", "⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class PowerFormatter(ScalarFormatter):
    """Writes small and large values of a linear axis with a power of ten above it."""

    def __init__(self) -> None:
        super().__init__(useOffset=False, useMathText=False)
        self.set_powerlimits((-2, 3))

    def get_offset(self) -> str:
        """Return what stands above the axis; nothing without a power."""
        _, _, exponent = super().get_offset().partition("1e")
        return f"×{_power('10', exponent)}" if exponent else ""


def log_ticks(low: float, high: float) -> list[float]:
    """Return about four to eight round numbers for a logarithmic scale."""
    powers = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        ticks = [step * 10.0**each for each in powers for step in steps if low <= step * 10.0**each <= high]
        if len(ticks) >= 4:
            return ticks[:: -(-len(ticks) // 8)]
    return [float(tick) for tick in MaxNLocator(5).tick_values(low, high) if low <= tick <= high]


def parameters_text(size: int) -> str:
    """Write a size for a legend, as a power of two if it is one."""
    text = size_text(size)
    return _power("2", text[2:]) if text.startswith("2^") else f"{size:,}"


def power_of_two(exponent: int) -> str:
    """Write a power, such as 2¹⁰."""
    return _power("2", str(exponent))


def _power(base: str, exponent: str) -> str:
    return f"{base}{exponent.translate(_RAISED)}"
