"""Reading data sets of the survey, and what is drawn from them.

Everything here works from the Parquet tables alone; nothing needs the code that trained.
"""

from analysis.combine import combine
from analysis.reading.curves import curves
from analysis.reading.tables import read, read_batches
from analysis.recommend import recommend

__all__ = ["combine", "curves", "read", "read_batches", "recommend"]
