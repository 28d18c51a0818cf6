"""One file a data set: what it is, where it comes from, and how it becomes sequences."""

import importlib


_SETS = (
    "archives",
    "conllu",
    "digits",
    "imdb",
    "jsb_chorales",
    "labelled_text",
    "made_chords",
    "made_reviews",
    "made_sentences",
    "memory_tasks",
    "mnist",
    "mysterious_island",
    "ptb",
    "python_docs",
    "python_source",
    "reber",
    "store",
    "text_file",
    "tinyshakespeare",
    "ud_ewt",
    "word_lines",
)


def __getattr__(name: str):
    if name in _SETS:
        return importlib.import_module(f"rnnkit.datasets.{name}")
    raise AttributeError(f"module 'rnnkit.datasets' has no attribute {name!r}")
