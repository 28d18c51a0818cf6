"""rnnkit: recurrent networks on packed sequences, and records of their runs that one can replay.

Parts are loaded when they are first used, so that `import rnnkit` costs nothing and `--help` answers at once::

    import rnnkit

    encoder = rnnkit.LSTM(8, 16, bidirectional=True)   # loads rnnkit.layers, and torch
"""

import importlib


_PARTS = (
    "cells",
    "checkpoints",
    "config",
    "datasets",
    "diagnostics",
    "dynamics",
    "errors",
    "gates",
    "heads",
    "initialisation",
    "layers",
    "memory",
    "mirroring",
    "models",
    "ngram",
    "observe",
    "printing",
    "records",
    "replay",
    "scores",
    "seeding",
    "sequences",
    "states",
    "streams",
    "tracking",
    "training",
    "vocabulary",
)

_LAYERS = ("RNN", "GRU", "LSTM")

__version__ = "0.1.0"


def __getattr__(name: str):
    if name in _LAYERS:
        return getattr(importlib.import_module("rnnkit.layers"), name)
    if name in _PARTS:
        return importlib.import_module(f"rnnkit.{name}")
    raise AttributeError(f"module 'rnnkit' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_LAYERS, *_PARTS])
