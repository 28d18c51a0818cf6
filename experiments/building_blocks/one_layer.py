"""One layer: what goes in, what is inside, what comes out."""

from typing import Any

import torch
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence, pad_sequence

from experiments.building_blocks.page import LENGTHS, STEPS, agree, both, differ, draw, ragged, randn, same, show
from rnnkit.nn import cells
from rnnkit.sequences import owners


def hidden_state() -> dict:
    """Hidden state.

    A recurrent layer reads a sequence step by step, and what it remembers between two steps is its hidden state. It
    starts from h_0, of shape (layers x directions, batch, hidden): zeros where you leave it out. Give it, and a long
    sequence can be read in pieces, each going on from the state in which the one before it ended.

    Returns the shapes of h_n by what the layer is made of, and the output of two layers for each library.
    """
    x = randn(1, 2 * STEPS, 3, 3)
    found = {}
    for depth, bidirectional in ((1, False), (2, False), (2, True)):
        layers = both("RNN", 3, 5, seed=1, num_layers=depth, bidirectional=bidirectional)
        counts = f"{depth} x {1 + bidirectional}"
        found[counts] = tuple(layers["rnnkit"](x)[1].shape)
        show("h_0, h_n", f"{found[counts]} for {counts} layers x directions, batch 3, hidden size 5")

    for name, layer in both("RNN", 3, 5, seed=1, num_layers=2).items():
        whole, last = layer(x)
        agree(f"{name}: h_0 left out and h_0 of zeros", whole, layer(x, torch.zeros(2, 3, 5))[0])
        differ(f"{name}: h_0 left out and h_0 of ones", whole, layer(x, torch.ones(2, 3, 5))[0])
        first, between = layer(x[:STEPS])
        second, end = layer(x[STEPS:], between)
        agree(f"{name}: read at once and in two pieces", whole, torch.cat([first, second]))
        agree(f"{name}: the last states of both readings", last, end)
        found[name] = whole
    agree("torch.nn and rnnkit", found["torch.nn"], found["rnnkit"])
    return found


def input_forms() -> dict:
    """Input.

    A batch is a tensor of shape (steps, batch, features), or with batch_first=True of shape (batch, steps, features).
    Sequences of different lengths are padded to the longest, but then the layer reads on through the padding, and the
    last states of the shorter ones are not theirs. Packed, only real steps are left: all first steps, then all second
    ones, the longest sequence first; below, each number is a row of the packed data, and batch_sizes counts the
    sequences that are still running.

    Returns the packed batch, and what the layers of each library made of it as a padded tensor.
    """
    sequences = ragged(20, features=3)
    padded = pad_sequence(sequences)
    packed = pack_sequence(sequences, enforce_sorted=False)
    sizes, owner_of = packed.batch_sizes.tolist(), owners(packed).tolist()
    rows = [[row for row, owner in enumerate(owner_of) if owner == sequence] for sequence in range(sizes[0])]
    lines = [(f"sequence {i}", numbers) for i, numbers in enumerate(rows)] + [("batch_sizes", sizes)]
    draw("\n".join(f"{name:<12}" + "".join(f"{number:3}" for number in numbers) for name, numbers in lines))
    for i, sequence in enumerate(sequences):
        agree(f"sequence {i} and its rows in the packed data", sequence, packed.data[rows[i]])

    found: dict[str, Any] = {"packed": packed}
    valid = torch.arange(STEPS)[:, None] < torch.tensor(LENGTHS)
    batch_first = both("RNN", 3, 5, seed=2, batch_first=True)
    for name, layer in both("RNN", 3, 5, seed=2).items():
        output, h_n = layer(padded)
        transposed, _ = batch_first[name](padded.transpose(0, 1))
        agree(f"{name}: steps first and batch first", output, transposed.transpose(0, 1))
        packed_output, packed_h_n = layer(packed)
        unpacked, _ = pad_packed_sequence(packed_output)
        agree(f"{name}: padded and packed, at the real steps", output[valid], unpacked[valid])
        differ(f"{name}: last states of padded and packed", h_n, packed_h_n)
        found[name] = unpacked
    agree("torch.nn and rnnkit", found["torch.nn"], found["rnnkit"])
    return found


def layer_weights() -> dict:
    """Layer.

    At each step the layer adds what it makes of the input and what it makes of its last state, and squashes the sum
    with tanh, or cuts it off below zero with relu:

        h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)        or relu(...)

    W_ih is of shape (hidden, inputs), W_hh of shape (hidden, hidden), both biases of shape (hidden,). "ih" reads
    input to hidden, "hh" hidden to hidden, "l0" layer 0. The same weights serve all steps.

    Returns the shapes of the weights by layer and name, and the first state for both kinds of squashing.
    """
    found = {}
    for inputs, hidden in ((3, 5), (5, 2)):
        shapes = [
            {name: tuple(weight.shape) for name, weight in layer.named_parameters()}
            for layer in both("RNN", inputs, hidden, seed=3).values()
        ]
        for name, shape in shapes[0].items():
            same(f"RNN({inputs} -> {hidden}), {name} of torch.nn and rnnkit", shape, shapes[1].get(name))
        found[f"RNN({inputs} -> {hidden})"] = shapes[0]

    x, h_0 = randn(3, STEPS, 4, 3), randn(4, 1, 4, 5)
    for nonlinearity, squash in (("tanh", torch.tanh), ("relu", torch.relu)):
        for name, layer in both("RNN", 3, 5, seed=3, nonlinearity=nonlinearity).items():
            w_ih, w_hh, b_ih, b_hh = layer.parameters()
            h_1 = squash(x[0] @ w_ih.T + b_ih + h_0[0] @ w_hh.T + b_hh)
            agree(f"{nonlinearity}: h_1 by the equation and by {name}", h_1, layer(x, h_0)[0][0])
        show(f"h_1 with {nonlinearity}", h_1[0])
        found[nonlinearity] = h_1
    return found


def sending_data() -> dict:
    """Sending data.

    A layer gives back two things: "output", the hidden states of the top layer at all steps, packed if the input was,
    and "h_n", the last state of every layer. They meet in one corner: at a sequence's last real step, which for a
    shorter one is not the last row of the batch, output is the top layer's h_n.

    Returns the output (padded) and h_n for each library.
    """
    draw("""
        output        o      o      o      o   = h_n[1]
                      |      |      |      |
        layer 1       o ---> o ---> o ---> o ---> h_n[1]
                      |      |      |      |
        layer 0       o ---> o ---> o ---> o ---> h_n[0]
                      |      |      |      |
        input        x_1    x_2    x_3    x_4
        """)
    sequences = ragged(40, features=3)
    found = {}
    for name, layer in both("RNN", 3, 5, seed=4, num_layers=2).items():
        packed_output, h_n = layer(pack_sequence(sequences, enforce_sorted=False))
        same(f"{name}: packed in, packed out", type(packed_output).__name__, "PackedSequence")
        output, lengths = pad_packed_sequence(packed_output)
        last = output[lengths - 1, torch.arange(len(lengths))]
        agree(f"{name}: output at the last real steps and h_n[1]", last, h_n[1])
        weights = list(layer.parameters())
        below = [cells.unroll(cells.rnn_cell, x, torch.zeros(5), *weights[:4])[1] for x in sequences]
        agree(f"{name}: the lower layer by hand and h_n[0]", torch.stack(below), h_n[0])
        found[name] = {"output": output, "h_n": h_n}
    show("output", f"{tuple(output.shape)} once padded: steps, batch, hidden")
    show("h_n", f"{tuple(h_n.shape)}: layers x directions, batch, hidden")
    agree("output of torch.nn and rnnkit", found["torch.nn"]["output"], found["rnnkit"]["output"])
    agree("h_n of torch.nn and rnnkit", found["torch.nn"]["h_n"], found["rnnkit"]["h_n"])
    return found
