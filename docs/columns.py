"""Write `columns.md`, the table of all columns, from `survey.dataset.schema`: `python docs/columns.py`."""

from __future__ import annotations

from pathlib import Path

from survey.dataset.columns_page import page

PAGE = Path(__file__).with_name("columns.md")
ORIGIN = "This page is written by `python docs/columns.py` from `survey/dataset/schema.py`; do not edit it by hand."

if __name__ == "__main__":
    PAGE.write_text(page(ORIGIN), encoding="utf-8")
