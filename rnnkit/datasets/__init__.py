"""One file a data set: what it is, where it comes from, and how it becomes sequences."""

import importlib


_SETS = (
    "digits",
    "imdb",
    "jsb_chorales",
    "labelled_text",
    "made_chords",
    "made_reviews",
    "mysterious_island",
    "python_docs",
    "store",
    "text_file",
    "tinyshakespeare",
)


def __getattr__(name: str):
    if name in _SETS:
        return importlib.import_module(f"rnnkit.datasets.{name}")
    raise AttributeError(f"module 'rnnkit.datasets' has no attribute {name!r}")
