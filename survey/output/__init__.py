"""The output folder of a survey: what lies where in it, whose it is, and what launches leave there.

Read `folder` first. `lock` keeps a second launch away; `launch_record`, `progress` and `forecasts` are what
`survey.status` and the report read.
"""

__all__ = ["disk_usage", "folder", "forecasts", "launch_record", "ownership", "progress", "states", "surveys"]
