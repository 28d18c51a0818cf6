"""Layers, states and a loss to observe."""

import torch
from torch.nn.utils.rnn import pack_sequence

import rnnkit
from rnnkit.nn import cells
from tests.rnnkit.nn.pairs import states_for


KINDS = {
    "RNN": (rnnkit.RNN, cells.rnn_cell, {}),
    "ReLU": (rnnkit.RNN, cells.rnn_cell, {"nonlinearity": "relu"}),
    "GRU": (rnnkit.GRU, cells.gru_cell, {}),
    "LSTM": (rnnkit.LSTM, cells.lstm_cell, {}),
}
SEED = 7  # of dropout


def make(kind, *sizes, dtype=torch.float64, seed=0, **options):
    """A layer with weights a little larger than usual, so that gates differ from one half."""
    torch.manual_seed(seed)
    module = KINDS[kind][0](*sizes, dtype=dtype, **KINDS[kind][2], **options)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.mul_(1.5)
    return module


def packed_list(sequences):
    return pack_sequence(sequences, enforce_sorted=False)


def state_for(module, batch):
    return states_for(module, batch, module.weight_ih_l0.dtype)


def loss_of(output, final, looks_at=(1, 1, 1)):
    """A loss that weighs each number of (output rows, final states, final cells) with one of its own."""
    generator = torch.Generator().manual_seed(1)
    loss = 0.0
    for tensor, wanted in zip([output, *final], looks_at, strict=False):
        weight = torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.dtype)
        loss = loss + (tensor * weight).sum() * wanted
    return loss


def assert_close(found, expected, tolerance):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= tolerance * expected.abs().max().clamp(min=1e-6)
