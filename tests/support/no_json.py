"""Files that are no JSON, or none that can be read."""

from __future__ import annotations

NO_JSON = {
    "deep lists": "[" * 1_000_000,
    "deep mappings": '{"a":' * 1_000_000,
    "deep, and closed": "[" * 50_000 + "]" * 50_000,
    "a long number": "9" * 1_000_000,
    "a number that is none": "NaN",
    "too large": " " * 10_000_001,
    "half a character": '"\\ud800"',
    "no text": "\x00\xff",
    "empty": "",
}
