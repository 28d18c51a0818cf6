"""Both directions, and whole models: what reads a sequence, and a head on its final state."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pack_sequence, pad_sequence

import rnnkit
from experiments.building_blocks.page import LENGTHS, STEPS, agree, both, differ, draw, randn, same, seeded, show
from rnnkit.nn import LastState, SequenceClassifier, cells


LIBRARIES = {"torch.nn": nn, "rnnkit": rnnkit}


def both_directions() -> dict:
    """Both directions.

    A bidirectional layer is two layers with weights of their own, one of which reads from the end. Both states of a
    step are joined, so that output is of shape (steps, batch, 2 x hidden); a view of shape (steps, batch, 2, hidden)
    takes them apart. Forward has read all at the last step, backward at the first: those two states, and not the last
    row of output, are h_n, of shape (2, batch, hidden).

    Returns output and h_n for each library.
    """
    draw("""
        forward                o ---> o ---> o ---> o ---> h_n[0]
        backward   h_n[1] <--- o <--- o <--- o <--- o
                               |      |      |      |
        input                 x_1    x_2    x_3    x_4
        """)
    x = randn(13, STEPS, 4, 3)
    found = {}
    for name, layer in both("RNN", 3, 5, seed=13, bidirectional=True).items():
        output, h_n = layer(x)
        forward, backward = output.view(STEPS, 4, 2, 5).unbind(2)
        agree(f"{name}: forward's last state and h_n[0]", forward[-1], h_n[0])
        agree(f"{name}: backward's first state and h_n[1]", backward[0], h_n[1])
        differ(f"{name}: backward's last row and h_n[1]", backward[-1], h_n[1])
        reverse_weights = list(layer.parameters())[4:]
        by_hand, _ = cells.unroll(cells.rnn_cell, x.flip(0), torch.zeros(4, 5), *reverse_weights)
        agree(f"{name}: backward and a loop over the flipped input", backward, by_hand.flip(0))
        found[name] = {"output": output, "h_n": h_n}
    show("shapes", f"output {tuple(output.shape)}, h_n {tuple(h_n.shape)}")
    agree("torch.nn and rnnkit", found["torch.nn"]["output"], found["rnnkit"]["output"])
    return found


class SentimentRNN(nn.Module):
    """An LSTM over word vectors, and a score from its last state. The attribute `rnn` tells nothing of its kind."""

    def __init__(self, library):
        super().__init__()
        self.rnn = library.LSTM(100, 32)
        self.head = nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Word vectors of shape (steps, batch, 100) -> scores of shape (batch, 1)."""
        _, (h_n, _) = self.rnn(x)
        return self.head(h_n[-1])


def sentiment_rnn() -> dict:
    """Model: SentimentRNN.

    An LSTM of 32 units reads three sequences of five word vectors, 100 features each, and a Linear layer turns its last
    hidden state into one score. The model's name and its attribute say "RNN": what is inside is told by the layer's
    own line, and by its weights, which have 32 rows for each gate (RNN 1, GRU 3, LSTM 4). On packed sequences it is
    rnnkit.nn.models.SequenceClassifier.

    Returns the scores by each way, and the kind and the gates of the module inside.
    """
    x = randn(14, 5, 3, 100)
    found = {}
    for name, library in LIBRARIES.items():
        with seeded(14):
            model = SentimentRNN(library)
        found[name] = model(x)
    draw(str(model))
    found |= {"kind": type(model.rnn).__name__, "gates": len(model.rnn.weight_ih_l0) // 32}
    same("model.rnn is", found["kind"], "LSTM")
    same("its gates", found["gates"], 4)
    same("shape of the scores", tuple(found["rnnkit"].shape), (3, 1))

    zeros = torch.zeros(3, 32)
    _, (h, _) = cells.unroll(cells.lstm_cell, x, (zeros, zeros), *model.rnn.parameters())
    found["by hand"] = model.head(h)
    with seeded(14):
        classifier = SequenceClassifier(rnnkit.LSTM(100, 32), LastState(bidirectional=False), nn.Linear(32, 1))
    found["SequenceClassifier"] = classifier(pack_sequence(list(x.unbind(1))))
    for name in ("torch.nn", "rnnkit", "SequenceClassifier"):
        agree(f"scores by hand and by {name}", found["by hand"], found[name])
    return found


def two_layers() -> dict:
    """Model: two layers of any cell.

    Two layers, from 64 features to 32 units, read five sequences of three steps; a Linear layer scores the last state
    of the upper one, h_n[-1]. RNN and GRU give back h_n, an LSTM the pair (h_n, c_n): switch the cell in one line and
    forget the pair, and state[-1] is all of c_n. No error is raised, but the scores come from the cell states of both
    layers, in a wrong shape; the cure is to take the pair apart.

    Returns the scores by kind of cell for each library and by hand, and the scores of the forgetful switch.
    """
    x = randn(15, 3, 5, 64)
    zeros = torch.zeros(5, 32)
    found = {}
    with seeded(16):
        head = nn.Linear(32, 1)
    for kind, cell in (("RNN", cells.rnn_cell), ("GRU", cells.gru_cell), ("LSTM", cells.lstm_cell)):
        found[kind] = {}
        for name, layer in both(kind, 64, 32, seed=15, num_layers=2).items():
            _, state = layer(x)
            found[kind][name] = head((state[0] if kind == "LSTM" else state)[-1])

        start = (zeros, zeros) if kind == "LSTM" else zeros
        weights = list(layer.parameters())
        lower, _ = cells.unroll(cell, x, start, *weights[:4])
        upper, _ = cells.unroll(cell, lower, start, *weights[4:])
        found[kind]["by hand"] = head(upper[-1])
        for name in LIBRARIES:
            agree(f"{kind}: scores by hand and by {name}", found[kind]["by hand"], found[kind][name])
        same(f"{kind}: shape of the scores", tuple(found[kind]["by hand"].shape), (5, 1))

    found["forgetful"] = head(state[-1])  # of the LSTM, where state[-1] is c_n
    same("LSTM, the pair forgotten: shape of the scores", tuple(found["forgetful"].shape), (2, 5, 1))
    agree("LSTM, the pair forgotten: scores of state[-1] and of c_n", found["forgetful"], head(state[1]))
    return found


class BidirectionalSentiment(nn.Module):
    """Symbols -> vectors -> packed by length -> LSTM in both directions -> both final states -> a probability."""

    def __init__(self, library):
        super().__init__()
        self.embedding = nn.Embedding(10, 8, padding_idx=0)
        self.lstm = library.LSTM(8, 6, bidirectional=True)
        self.hidden = nn.Linear(2 * 6, 4)
        self.score = nn.Linear(4, 1)

    def forward(self, symbols: Tensor, lengths: Tensor) -> Tensor:
        """Symbols of shape (steps, batch), padded with 0, and lengths of shape (batch,) -> probabilities, (batch,)."""
        packed = pack_padded_sequence(self.embedding(symbols), lengths, enforce_sorted=False)
        _, (h_n, _) = self.lstm(packed)
        return self.probability(torch.cat([h_n[0], h_n[1]], dim=-1))

    def probability(self, states: Tensor) -> Tensor:
        """Joined final states of shape (batch, 12) -> probabilities of shape (batch,)."""
        return torch.sigmoid(self.score(torch.relu(self.hidden(states)))).squeeze(-1)


def bidirectional_lstm() -> dict:
    """Model: a bidirectional LSTM over padded text.

    Symbols, padded with 0, become vectors, are packed by length, and read in both directions; both final states,
    joined, go through Linear, ReLU, Linear and sigmoid, which makes a probability. Padding must not matter: its row of
    the embedding gets no gradient, a text scores in a batch as it does alone, and NaN in that row changes nothing.

    Returns the probabilities by each way, and the gradient of the embedding's weight, of shape (symbols, features).
    """
    generator = torch.Generator().manual_seed(16)
    texts = [torch.randint(1, 10, (length,), generator=generator) for length in LENGTHS]
    symbols, lengths = pad_sequence(texts), torch.tensor(LENGTHS)
    draw("\n".join(" ".join(map(str, row)) for row in symbols.T.tolist()))

    found = {}
    for name, library in LIBRARIES.items():
        with seeded(16):
            model = BidirectionalSentiment(library)
        found[name] = model(symbols, lengths)
    show("probabilities", found["rnnkit"])
    agree("torch.nn and rnnkit", found["torch.nn"], found["rnnkit"])

    forward, backward = (list(model.lstm.parameters())[i : i + 4] for i in (0, 4))
    zeros = torch.zeros(1, 6)
    final = []
    for text in texts:
        vectors = model.embedding(text)[:, None]
        _, (ahead, _) = cells.unroll(cells.lstm_cell, vectors, (zeros, zeros), *forward)
        _, (back, _) = cells.unroll(cells.lstm_cell, vectors.flip(0), (zeros, zeros), *backward)
        final.append(torch.cat([ahead, back], dim=-1))
    found["by hand"] = model.probability(torch.cat(final))
    agree("by hand and by rnnkit", found["by hand"], found["rnnkit"])
    _, (h_n, _) = model.lstm(pack_sequence([model.embedding(text) for text in texts], enforce_sorted=False))
    last = LastState(bidirectional=True)(None, h_n)
    agree("final states by hand and by rnnkit.nn.heads.LastState", torch.cat(final), last)
    alone = [model(text[:, None], torch.tensor([len(text)])) for text in texts]
    agree("each text alone and in the batch", torch.cat(alone), found["rnnkit"])

    nn.functional.binary_cross_entropy(found["rnnkit"], torch.tensor([1.0, 0.0, 1.0])).backward()
    found["gradient"] = gradient = model.embedding.weight.grad
    assert gradient is not None
    show("gradient, size by row", gradient.norm(dim=1))
    agree("the gradient of the padding's row and zero", gradient[0], torch.zeros(8), tolerance=0)
    with torch.no_grad():
        model.embedding.weight[0] = torch.nan
    found["poisoned"] = model(symbols, lengths)
    agree("with NaN for padding and without", found["poisoned"], found["rnnkit"])
    return found
