"""Write `columns.md`, the table of all columns of networks, from the code: `python docs/columns.py`."""

from __future__ import annotations

from pathlib import Path

from survey.dataset.columns_page import page
from survey.networks.columns import COLUMNS

PAGE = Path(__file__).with_name("columns.md")
ORIGIN = (
    "This page is written by `python docs/columns.py` from `survey/networks/columns.py` and "
    "`survey/dataset/schema.py`; do not edit it by hand."
)

if __name__ == "__main__":
    PAGE.write_text(page(COLUMNS, ORIGIN), encoding="utf-8")
