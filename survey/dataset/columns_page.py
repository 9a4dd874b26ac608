"""The columns of the data set as a page of Markdown, made from `survey.dataset.schema`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import pyarrow as pa

from survey.dataset.schema import (
    best_fields,
    choice_fields,
    curve_fields,
    executive_schema,
    repetition_schema,
    summary_schema,
)
from survey.text.escaping import markdown, markdown_code
from survey.workloads.columns import Columns
from survey.workloads.registry import NETWORKS

SWEEP = "SWEEP"
"""Stands for the name of a search space."""

_OURS = (
    "repetition",
    "torch_version",
    "ray_version",
    "mlflow_version",
    "device",
    "train_seconds",
    "epoch_seconds",
    "trial_id",
    "mlflow_run_id",
)
"""Columns of a run that the published data do not have."""

PUBLISHED_TYPES = {"experiment_id": "uint32", "num_runs": "uint8"}
"""Types of the published columns, where ours are wider."""

_HEAD = """\
# Columns of the data set

{origin}

- {sweeps}
- *path*: the column is part of the folder names (`NAME=value/`), and not in the files. A reader that is given the
  schema in `_common_metadata` has it as a column of the type that stands here.
{published}\
- A `list<float>`, and the `list<uint16>` of `num`, has an element for each epoch, the first being that of epoch 1.
  `float` is 32 bits wide.
- What a column means is also in the schema itself, as the field's metadata `description`.
"""

_PUBLISHED = """\
- *published*: whether the published BUTTER data have the column; a type stands there where theirs is another.
"""


def not_published(columns: Columns) -> frozenset[str]:
    """Return the columns of a run on networks that the published data do not have."""
    return columns.not_published.union(_OURS)


def _ours(columns: Columns) -> frozenset[str]:
    """The columns of all tables that the published data do not have."""
    names = [metric.name for metric in columns.metrics.all if metric.curve in columns.not_published]
    only_ours = replace(columns, metrics=columns.metrics.only(names))
    of_summaries = (*curve_fields(only_ours), *best_fields(only_ours), *choice_fields(columns))
    return not_published(columns).union(field.name for field in of_summaries)


def page(columns: Columns, origin: str, sweeps: Sequence[str] = ()) -> str:
    """Return the page as Markdown.

    Args:
        columns: Columns of the workload. Of networks, it says which ones the published data have.
        origin: Where the page comes from, as a sentence.
        sweeps: Names of the search spaces of a data set; without any, `SWEEP` stands for them.
    """
    named = list(sweeps) or [SWEEP]
    runs, summary = repetition_schema(columns, named), summary_schema(columns, named)
    executive = executive_schema(columns, named).names
    about_sweeps = (
        "There is a column for each search space: " + ", ".join(map(markdown_code, named)) + "."
        if sweeps
        else f"`{SWEEP}` stands for the name of a search space: there is one such column for each."
    )
    of_sweeps = ", ".join(markdown_code(f"{name}_summary/") for name in named)
    published = _PUBLISHED if columns.workload == NETWORKS else ""
    head = _HEAD.format(origin=origin, sweeps=about_sweeps, published=published)
    curves = {field.name for field in curve_fields(columns)}
    best = {field.name for field in best_fields(columns)}
    chosen = {field.name for field in choice_fields(columns)}
    about = {*summary.names} - curves - best - chosen
    of_summary = partial(_table, summary, columns, executive)
    sections = [
        ("`all_repetitions/`: a row for each run", _table(runs, columns)),
        (
            f"`complete_summary/` and {of_sweeps}: a row for each experiment\n\n"
            "`complete_executive_summary/` has the columns marked *executive* only. `experiments.parquet` has those of "
            "them that are no lists; there the partition columns are in the file",
            of_summary(about),
        ),
        ("Summaries: statistics over the repetitions at each epoch", of_summary(curves)),
        ("Summaries: statistics over the best epochs of the repetitions", of_summary(best)),
    ]
    if chosen:
        sections.append(("Summaries: statistics at the epochs that are chosen by another metric", of_summary(chosen)))
    return "\n".join([head, *(f"## {title}\n\n{table}" for title, table in sections)])


def _table(
    fields: Iterable[pa.Field],
    columns: Columns,
    executive: Collection[str] | None = None,
    only: Collection[str] | None = None,
) -> str:
    lines = _lines([field for field in fields if only is None or field.name in only], columns, executive)
    return "\n".join(lines) + "\n"


def _lines(fields: Iterable[pa.Field], columns: Columns, executive: Collection[str] | None) -> Iterator[str]:
    is_published, ours = columns.workload == NETWORKS, _ours(columns)
    more = ["published"] * is_published + ["executive"] * (executive is not None)
    yield f"| {' | '.join(['column', 'type', 'path', *more, 'meaning'])} |"
    yield f"|---|---|---|{'---|' * len(more)}---|"
    for field in fields:
        kind = str(field.type).replace("element: ", "").replace("item: ", "")
        cells = [markdown_code(field.name), f"`{kind}`", "path" if field.name in columns.partition else ""]
        if is_published:
            cells.append(PUBLISHED_TYPES.get(field.name, "no" if field.name in ours else "yes"))
        if executive is not None:
            cells.append("yes" if field.name in executive else "")
        cells.append(markdown(field.metadata[b"description"].decode()))
        yield f"| {' | '.join(cells)} |"
