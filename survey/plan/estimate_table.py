"""An estimate as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.filesize import decimal
from rich.table import Table

from survey.plan.estimate import UNMEASURED_FACTOR, Price, Range
from survey.text.counting import counted, rounded


def price_table(price: Price) -> Table:
    """Return a table of two columns: quantity and value."""
    table = Table(show_header=False, box=None)
    table.add_column(justify="left")
    table.add_column(justify="right")
    for name, value in _lines(price):
        table.add_row(name, value)
    return table


def price_notes(price: Price) -> Iterator[str]:
    """Yield caveats about the numbers, and how the user's own data were prepared."""
    yield from price.notes
    if not price.measured and price.runs_to_train:
        like = "an NVIDIA H100" if price.num_gpus else "a core like ours"
        yield (
            f"Times are those of {like}, and can be {UNMEASURED_FACTOR:g} times as long here: "
            "--pilot measures this machine, in a minute at most"
        )


def _lines(price: Price) -> Iterator[tuple[str, str]]:
    yield "experiments", f"{price.experiments_new + price.experiments_done:,}"
    yield "  done", f"{price.experiments_done:,}"
    yield "  to train", f"{price.experiments_new:,}"
    if price.left_out:
        yield f"{price.left_out} (left out)", f"{price.experiments_left_out:,}"
    yield "runs", f"{price.runs:,}"
    yield "  done", f"{price.runs_done:,}"
    yield "  to train", f"{price.runs_to_train:,}"
    yield "epochs to train (over all runs)", f"{price.epochs:,}"
    yield "trials to train", f"{sum(price.trials.values()):,}"
    for resource, count in price.trials.items():
        yield f"  of {resource}", f"{count:,}"
    if not price.runs_to_train:
        return
    yield "floating-point operations", f"{price.flops:.2g}"
    yield "MLflow store", f"+ {decimal(price.tracking_bytes)}"
    yield "artifacts", f"+ {decimal(price.artifact_bytes)}"
    yield "data set", f"+ {decimal(price.dataset_bytes)}"
    if price.state_bytes:
        yield "states", f"+ {decimal(price.state_bytes)}"
    yield "core time", time_range(price.core_hours)
    if price.num_gpus:
        yield "GPU time", time_range(price.gpu_hours)
    where = counted(price.num_cpus, "core")
    if price.num_gpus:
        where += f" and {price.num_gpus:g} GPU{'s' * (price.num_gpus != 1)}"
    yield f"from start to end on {where}", time_range(price.wall_hours)


def time_range(hours: Range) -> str:
    """`3.1 h (2.6 to 3.7 h)`, in the unit that suits the estimate; the bounds are not known to a third digit."""
    units = (("years", 24 * 365.0), ("days", 24.0), ("h", 1.0), ("min", 1 / 60), ("s", 1 / 3600))
    unit, length = next((one for one in units if hours.estimate >= 2 * one[1]), units[-1])
    low, high = rounded(hours.low / length, 2), rounded(hours.high / length, 2)
    return f"{rounded(hours.estimate / length, 3)} {unit} ({low} to {high} {unit})"
