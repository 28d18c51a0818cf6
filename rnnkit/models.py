"""Recurrent layers with a head: the networks that experiments train."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit import initialisation, layers, seeding
from rnnkit.config import BaseConfig
from rnnkit.heads import LastState


CELLS = {
    "rnnkit": {"rnn": layers.RNN, "gru": layers.GRU, "lstm": layers.LSTM},
    "torch": {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM},
}


class SequenceClassifier(nn.Module):
    """A packed batch of raw features -> recurrent layers -> final state -> a score for each class.

    `encoder` is the recurrent module, `head` the linear layer on its final state.
    """

    def __init__(self, encoder: nn.RNNBase, classes: int):
        super().__init__()
        self.encoder = encoder
        self.pool = LastState(encoder.bidirectional)
        self.head = nn.Linear(encoder.hidden_size * self.pool.directions, classes)

    def forward(self, inputs: PackedSequence) -> Tensor:
        """Scores (logits) of shape (batch, classes), in the order in which the examples were packed."""
        _, state = self.encoder(inputs)
        h_n = state[0] if isinstance(state, tuple) else state  # an LSTM's state is a pair
        return self.head(self.pool(h_n))


def classifier(config: BaseConfig, input_size: int, classes: int, longest: int) -> SequenceClassifier:
    """The classifier that `config` describes, its initial weights drawn from the run's stream for weights.

    `longest` is the length of the longest sequence, which the chrono initialisation spreads its time scales up to.

    The global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeding.stream(config.seed, "weights"))
        encoder = CELLS[config.layers][config.cell](
            input_size,
            config.hidden_size,
            num_layers=config.depth,
            bidirectional=config.bidirectional,
            dropout=config.dropout,
        )
        initialisation.initialise_(encoder, config.init, longest)
        return SequenceClassifier(encoder, classes)


def parameter_count(model: nn.Module) -> int:
    """How many numbers the model learns."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
