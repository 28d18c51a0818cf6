"""Networks: recurrent layers that drop in for torch.nn's, cells, heads, models, and ways to start their weights."""

from rnnkit.nn import cells, embeddings, heads, initialisation, layers, models, modules, portable, promise
from rnnkit.nn.cells import Cell
from rnnkit.nn.heads import LastState
from rnnkit.nn.kernels.library import about
from rnnkit.nn.kernels.library import in_force as kernel_in_force
from rnnkit.nn.layers import GRU, LSTM, RNN, FastLayer, as_torch
from rnnkit.nn.members import Members
from rnnkit.nn.models import LanguageModel, SequenceClassifier, Tagger
from rnnkit.nn.modules import Place, all_names, evaluating, layer_weights
from rnnkit.nn.recurrence import Masks, Pass, before, gates_of, read_by, states_of
from rnnkit.nn.recurrent import Recurrent
from rnnkit.nn.registry import Layers, bias_kinds, cell_of, places, recurrent_modules
from rnnkit.nn.watching import LayerCall, Passes, watch


__all__ = ["cells", "embeddings", "heads", "initialisation", "layers", "models", "modules", "portable", "promise"]
__all__ += [
    "Cell",
    "GRU",
    "LSTM",
    "RNN",
    "FastLayer",
    "LanguageModel",
    "LastState",
    "LayerCall",
    "Layers",
    "Masks",
    "Members",
]
__all__ += ["Pass", "Passes", "Place", "Recurrent", "SequenceClassifier", "Tagger", "about", "all_names", "as_torch"]
__all__ += ["before", "bias_kinds", "cell_of", "evaluating", "gates_of", "kernel_in_force", "layer_weights", "places"]
__all__ += ["read_by", "recurrent_modules", "states_of", "watch"]
