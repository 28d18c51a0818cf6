"""rnnkit: recurrent networks on packed sequences, and records of their runs that one can replay.

Parts are loaded when they are first used, so that `import rnnkit` costs nothing and `--help` answers at once::

    import rnnkit

    encoder = rnnkit.LSTM(8, 16, bidirectional=True)   # loads rnnkit.nn, and torch
"""

import importlib
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:  # what type checkers see of what `__getattr__` gives
    from rnnkit.inference import load as load
    from rnnkit.nn import GRU as GRU
    from rnnkit.nn import LSTM as LSTM
    from rnnkit.nn import RNN as RNN
    from rnnkit.nn import Recurrent as Recurrent
    from rnnkit.nn import about as about
    from rnnkit.observation import observe as observe
    from rnnkit.training.estimators import RNNClassifier as RNNClassifier
    from rnnkit.training.estimators import RNNForecaster as RNNForecaster
    from rnnkit.training.estimators import RNNRegressor as RNNRegressor
    from rnnkit.training.estimators import RNNTagger as RNNTagger


__version__ = "0.1.0"

# Where each public name lives. The packages themselves can be had as attributes too.
_NAMES = {"RNN": "nn", "GRU": "nn", "LSTM": "nn", "Recurrent": "nn", "about": "nn", "observe": "observation"}
_NAMES |= {"load": "inference"}
_NAMES |= dict.fromkeys(("RNNClassifier", "RNNForecaster", "RNNRegressor", "RNNTagger"), "training.estimators")
_PACKAGES = ["core", "datasets", "diagnostics", "evaluation", "inference", "mirror"]
_PACKAGES += ["nn", "observation", "runs", "sequences", "training"]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f"rnnkit.{_NAMES[name]}"), name)
    if name in _PACKAGES:
        return importlib.import_module(f"rnnkit.{name}")
    raise AttributeError(f"module 'rnnkit' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES, *_PACKAGES})
