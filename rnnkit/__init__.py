"""rnnkit: recurrent networks on packed sequences, and records of their runs that one can replay.

    import rnnkit

    encoder = rnnkit.LSTM(8, 16, bidirectional=True)   # loads rnnkit.nn, and torch

Parts are loaded when they are first used, so that `import rnnkit` costs nothing and `--help` answers at once. What most
programs need has its name here too (`rnnkit.LSTM`, `rnnkit.load`):

- layers that take the place of torch.nn's: `rnnkit.nn.RNN`, `rnnkit.nn.GRU`, `rnnkit.nn.LSTM`; with other cells
  `rnnkit.nn.Recurrent`; `rnnkit.nn.about` says how they are computed;
- states, gates and gradients of a layer while it runs: `rnnkit.observation.observe`;
- a trained net: `rnnkit.inference.model.load`;
- nets with scikit-learn's interface: `rnnkit.training.estimators.RNNClassifier`,
  `rnnkit.training.estimators.RNNRegressor`, `rnnkit.training.estimators.RNNTagger`,
  `rnnkit.training.estimators.RNNForecaster`.

Batches of packed sequences are made in `rnnkit.sequences`.
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
