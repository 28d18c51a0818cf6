"""Networks: recurrent layers that drop in for torch.nn's, heads, models, and ways to start their weights."""

from rnnkit.nn import cells, embeddings, heads, initialisation, layers, models, modules
from rnnkit.nn.layers import GRU, LSTM, RNN


__all__ = ["GRU", "LSTM", "RNN", "cells", "embeddings", "heads", "initialisation", "layers", "models", "modules"]
