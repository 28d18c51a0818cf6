"""Networks: recurrent layers that drop in for torch.nn's, heads, models, and ways to start their weights."""

from rnnkit.nn import architecture, cells, embeddings, heads, initialisation, layers, models, modules, portable, promise
from rnnkit.nn.cells import GATES, Gates
from rnnkit.nn.heads import LastState
from rnnkit.nn.kernels.library import about
from rnnkit.nn.kernels.library import in_force as kernel_in_force
from rnnkit.nn.layers import GRU, LSTM, RNN, FastLayer, as_torch
from rnnkit.nn.members import Members
from rnnkit.nn.models import LanguageModel, SequenceClassifier, Tagger
from rnnkit.nn.modules import Place, all_names, evaluating, layer_weights, recurrent_modules
from rnnkit.nn.watching import LayerCall, watch


__all__ = ["architecture", "cells", "embeddings", "heads", "initialisation", "layers", "models", "modules", "portable"]
__all__ += ["promise"]
__all__ += ["GATES", "GRU", "LSTM", "RNN", "FastLayer", "Gates", "LanguageModel", "LastState", "LayerCall", "Members"]
__all__ += ["Place", "SequenceClassifier", "Tagger", "about", "all_names", "as_torch", "evaluating", "kernel_in_force"]
__all__ += ["layer_weights", "recurrent_modules", "watch"]
