"""How the columns of a user's own table became inputs and outputs, in words, shown before training."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from survey.tasks.advice import listed, shown
from survey.tasks.prepared import PreparedTask
from survey.text.counting import counted

_SHOWN_CLASSES = 6


def told(task: PreparedTask) -> dict[str, Any]:
    """Return rows, inputs, outputs and how they were made, as values for JSON; {} where this is not known."""
    made = task.preparation
    if made is None:
        return {}
    return {
        "kind": task.kind,
        "rows": task.num_rows,
        "rows_by_part": None if task.part_sizes is None else task.part_sizes._asdict(),
        "inputs": task.num_inputs,
        "outputs": task.num_outputs,
        "columns_scaled": made.scaled,
        "columns_of_two_values": made.binary,
        "columns_one_hot": made.one_hot,
        "inputs_one_hot": made.one_hot_inputs,
        "columns_dropped": list(made.dropped),
        "rows_dropped": made.rows_dropped,
        "cells_filled": made.cells_filled,
        "classes": dict(made.classes),
        "target_minimum": task.target_minimum,
        "target_range": task.target_range,
    }


def lines(name: str, told: Mapping[str, Any]) -> Iterator[str]:
    """Describe a prepared task in two lines, from what `told` returned."""
    if not told:
        return
    kinds = [
        (told["columns_scaled"], f"{counted(told['columns_scaled'], 'column')} scaled to [0, 1]"),
        (told["columns_of_two_values"], f"{counted(told['columns_of_two_values'], 'column')} of two values"),
        (
            told["inputs_one_hot"],
            f"{told['inputs_one_hot']:,} of {counted(told['columns_one_hot'], 'one-hot column')}",
        ),
    ]
    inputs = f"{counted(told['inputs'], 'input')}: {', '.join(text for count, text in kinds if count)}"
    missing = [
        (told["columns_dropped"], f"columns of one value dropped: {listed(told['columns_dropped'], 5)}"),
        (told["rows_dropped"], f"{counted(told['rows_dropped'], 'row')} with missing values dropped"),
        (told["cells_filled"], f"{counted(told['cells_filled'], 'missing value')} filled in"),
    ]
    parts = [f"{rows:,} for {part}" for part, rows in (told["rows_by_part"] or {}).items() if rows]
    rows = f"{told['rows']:,} rows" + (f" ({', '.join(parts)})" if parts else "")
    yield "; ".join([f"{name}: {rows}, {inputs}", *(text for is_so, text in missing if is_so)])
    yield f"{name}: {told['kind']}, {_outputs(told)}"


def _outputs(told: Mapping[str, Any]) -> str:
    outputs = counted(told["outputs"], "output")
    if told["target_range"] is not None:
        least = told["target_minimum"]
        return f"{outputs}: a target from {least:g} to {least + told['target_range']:g}, scaled to [0, 1]"
    counts = told["classes"]
    if not counts:
        return outputs
    parts = [f"{shown(value)} {rows / told['rows']:.1%}" for value, rows in counts.items()]
    if len(parts) > _SHOWN_CLASSES:
        parts[_SHOWN_CLASSES - 2 : -1] = ["..."]
    what = "classes" if told["kind"] == "classification" else "values"
    return f"{outputs}, {len(counts):,} {what}: {', '.join(parts)}"
