"""One file a data set: what it is, where it comes from, and how it becomes sequences."""

import importlib


_SETS = (
    "archives",
    "digits",
    "imdb",
    "labelled_text",
    "made_reviews",
    "memory_tasks",
    "mysterious_island",
    "python_docs",
    "reber",
    "store",
    "text_file",
    "tinyshakespeare",
)


def __getattr__(name: str):
    if name in _SETS:
        return importlib.import_module(f"rnnkit.datasets.{name}")
    raise AttributeError(f"module 'rnnkit.datasets' has no attribute {name!r}")
