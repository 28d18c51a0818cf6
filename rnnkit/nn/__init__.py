"""Networks: recurrent layers that drop in for torch.nn's, heads, models, and ways to start their weights."""

from rnnkit.nn import cells, embeddings, heads, initialisation, layers, models, modules, portable
from rnnkit.nn.cells import GATES, Gates
from rnnkit.nn.heads import LastState
from rnnkit.nn.kernels.library import about
from rnnkit.nn.kernels.library import in_force as kernel_in_force
from rnnkit.nn.layers import GRU, LSTM, RNN, FastLayer
from rnnkit.nn.models import LanguageModel, SequenceClassifier, Tagger
from rnnkit.nn.modules import Place, being_recorded, evaluating, layer_weights, recurrent_modules


__all__ = ["cells", "embeddings", "heads", "initialisation", "layers", "models", "modules", "portable"]
__all__ += ["GATES", "GRU", "LSTM", "RNN", "FastLayer", "Gates", "LanguageModel", "LastState", "Place", "about"]
__all__ += ["SequenceClassifier", "Tagger", "being_recorded", "evaluating", "kernel_in_force", "layer_weights"]
__all__ += ["recurrent_modules"]
