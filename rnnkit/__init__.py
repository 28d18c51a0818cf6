"""rnnkit: recurrent networks on packed sequences, and records of their runs that one can replay.

Parts are loaded when they are first used, so that `import rnnkit` costs nothing and `--help` answers at once::

    import rnnkit

    run = rnnkit.tracking.start(config)   # loads rnnkit.tracking, and no torch
"""

import importlib


_PARTS = (
    "config",
    "datasets",
    "diagnostics",
    "heads",
    "models",
    "printing",
    "records",
    "scores",
    "seeding",
    "sequences",
    "tracking",
    "training",
)

__version__ = "0.1.0"


def __getattr__(name: str):
    if name in _PARTS:
        return importlib.import_module(f"rnnkit.{name}")
    raise AttributeError(f"module 'rnnkit' has no attribute {name!r}")


def __dir__():
    return sorted([*globals(), *_PARTS])
