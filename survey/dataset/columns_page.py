"""The columns of the data set as a page of Markdown, made from `survey.dataset.schema`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import pyarrow as pa

from survey.dataset.schema import (
    PARTITION_COLUMNS,
    best_fields,
    curve_fields,
    executive_schema,
    repetition_schema,
    summary_schema,
)
from survey.text.escaping import markdown, markdown_code

SWEEP = "SWEEP"
"""Stands for the name of a search space."""

OURS = (
    "draws",
    "momentum",
    "task_digest",
    "target_minimum",
    "target_range",
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
"""Columns that the published data do not have."""

PUBLISHED_TYPES = {"experiment_id": "uint32", "num_runs": "uint8"}
"""Types of the published columns, where ours are wider."""

_HEAD = """\
# Columns of the data set

{origin}

- {sweeps}
- *path*: the column is part of the folder names (`NAME=value/`), and not in the files. A reader that is given the
  schema in `_common_metadata` has it as a column of the type that stands here.
- *published*: whether the published BUTTER data have the column; a type stands there where theirs is another.
- A `list<float>`, and the `list<uint16>` of `num`, has an element for each epoch, the first being that of epoch 1.
  `float` is 32 bits wide.
- What a column means is also in the schema itself, as the field's metadata `description`.
"""


def page(origin: str, sweeps: Sequence[str] = ()) -> str:
    """Return the page as Markdown.

    Args:
        origin: Where the page comes from, as a sentence.
        sweeps: Names of the search spaces of a data set; without any, `SWEEP` stands for them.
    """
    named = list(sweeps) or [SWEEP]
    runs, summary = repetition_schema(named), summary_schema(named)
    executive = executive_schema(named)
    about_sweeps = (
        "There is a column for each search space: " + ", ".join(map(markdown_code, named)) + "."
        if sweeps
        else f"`{SWEEP}` stands for the name of a search space: there is one such column for each."
    )
    of_sweeps = ", ".join(markdown_code(f"{name}_summary/") for name in named)
    head = _HEAD.format(origin=origin, sweeps=about_sweeps)
    curves = {field.name for field in curve_fields()}
    best = {field.name for field in best_fields()}
    about = [field for field in summary if field.name not in curves | best]
    sections = [
        ("`all_repetitions/`: a row for each run", _table(runs)),
        (
            f"`complete_summary/` and {of_sweeps}: a row for each experiment\n\n"
            "`complete_executive_summary/` has the columns marked *executive* only. `experiments.parquet` has those of "
            "them that are no lists; there the partition columns are in the file",
            _table(about, executive.names),
        ),
        ("Summaries: statistics over the repetitions at each epoch", _table(summary, executive.names, curves)),
        ("Summaries: statistics over the best epochs of the repetitions", _table(summary, executive.names, best)),
    ]
    return "\n".join([head, *(f"## {title}\n\n{table}" for title, table in sections)])


def _table(
    fields: Iterable[pa.Field], executive: Collection[str] | None = None, only: Collection[str] | None = None
) -> str:
    lines = _lines([field for field in fields if only is None or field.name in only], executive)
    return "\n".join(lines) + "\n"


def _lines(fields: Iterable[pa.Field], executive: Collection[str] | None) -> Iterator[str]:
    more = "" if executive is None else " executive |"
    yield f"| column | type | path | published |{more} meaning |"
    yield f"|---|---|---|---|{'---|' if more else ''}---|"
    for field in fields:
        kind = str(field.type).replace("element: ", "").replace("item: ", "")
        path = "path" if field.name in PARTITION_COLUMNS else ""
        published = PUBLISHED_TYPES.get(field.name, "no" if field.name in OURS else "yes")
        mark = "" if executive is None else f" {'yes' if field.name in executive else ''} |"
        meaning = markdown(field.metadata[b"description"].decode())
        yield f"| {markdown_code(field.name)} | `{kind}` | {path} | {published} |{mark} {meaning} |"
