"""Search spaces: grids of hyperparameters, from Python or YAML, expanded into experiments.

Read `search_space` first; `yaml_file` finds and reads the files, and reports mistakes with their lines.
"""

__all__ = ["axes", "changes", "sampling", "search_space", "yaml_file"]
