"""A data set that a stranger can use, put into a folder or an object store.

Read `upload` first: it writes the files (`files`), the data card, and the Croissant description, each from what
`description` finds in the data.
"""

__all__ = ["description", "upload"]
