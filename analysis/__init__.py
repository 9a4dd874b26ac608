"""Reading data sets of the survey, and what is drawn from them.

Everything here works from the Parquet tables alone; nothing needs the code that trained.
"""

from analysis.curves import curves
from analysis.read import read, read_batches

__all__ = ["curves", "read", "read_batches"]
