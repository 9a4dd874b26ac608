"""Publishing a data set for others in a folder or an object store.

Read `upload` first: it writes the files (`files`), the data card and the Croissant description, from the facts that
`description` finds in the data.
"""

__all__ = ["description", "upload"]
