"""A page to explore a data set in a browser: `survey explore`, and `explore.html` beside the report.

Read `index` first: what is kept of each experiment and run, so that an action takes no longer than a glance.
`catalogue` says what there is to choose from, `answers` what a choice comes to; `server` and `single_file` bring both
to the page in `front/`.
"""

__all__ = ["index", "single_file"]
