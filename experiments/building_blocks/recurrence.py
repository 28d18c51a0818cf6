"""The recurrence as a loop: with the layer's equation, without its tanh, and with the mistakes that are easily made."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_sequence, pad_packed_sequence

from experiments.building_blocks.page import agree, both, differ, ragged, randn, same, seeded, show
from rnnkit.nn import cells


ONES_TWOS_THREES = torch.tensor([[1.0], [2.0], [3.0]]).expand(3, 5)  # (steps, features)
PUBLISHED = torch.tensor([[-0.3519801, 0.52525216], [-0.68424344, 0.76074266], [-0.8649416, 0.90466356]])
PUBLISHED_MISTAKE = torch.tensor([[-0.21046415, 0.56788784], [-0.5741978, 0.7945334], [-0.8130059, 0.918174]])

# What the linear step starts from and ends in, published with four digits.
PUBLISHED_STEP = {"e": [-0.7056, 0.6741, -0.5454, 0.9107], "h_0": [-0.1117], "w_h": [-0.2138]}
PUBLISHED_STEP |= {"w_e": [-1.3780, -0.0546, 0.4515, 0.7858], "h_1": [1.4288]}

# Five word vectors of four features, as columns, published with four digits; and the states that they lead to.
WORDS = torch.tensor(
    [
        [1.3029, 0.2045, -0.9202, -0.8919, 0.2516],
        [0.9675, -0.6870, 0.9042, 0.3286, -0.0742],
        [0.1414, -1.2538, -0.3456, -0.2211, -0.7043],
        [0.3368, 0.0064, 0.2326, 0.9527, -0.4139],
    ]
)
PUBLISHED_STATES = torch.tensor([-0.1117, -1.4958, -0.4856, 1.3492, 1.5714, -1.3220])


def manual_recurrence() -> dict:
    """Manual recurrence.

    All that the layer does is a loop over the steps with one equation in it, which rnnkit.nn.cells.rnn_cell writes out:

        h_t = tanh(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)

    The input is five ones, then five twos, then five threes. The same loop runs a GRU or an LSTM with its own cell;
    an LSTM carries a pair from step to step, the hidden and the cell state. (The last lines take longer sequences,
    since rnnkit leaves short ones to torch's code.)

    Returns the three states by hand and by each library.
    """
    layers = both("RNN", 5, 2, seed=1, batch_first=True)
    w_ih, w_hh, b_ih, b_hh = layers["torch.nn"].parameters()
    states = [torch.zeros(2)]
    for x_t in ONES_TWOS_THREES:
        states.append(cells.rnn_cell(x_t, states[-1], w_ih, w_hh, b_ih, b_hh))
    found = {"by hand": torch.stack(states[1:])}
    found |= {name: layer(ONES_TWOS_THREES[None])[0][0] for name, layer in layers.items()}
    for name, value in found.items():
        show(name, value, digits=7)
    for name in layers:
        agree(f"RNN: by hand and {name}", found["by hand"], found[name])
    agree("RNN: by hand and the published numbers", found["by hand"], PUBLISHED)

    sequences = ragged(50, features=5)
    steps = ", ".join(str(len(x)) for x in sequences)
    for kind, cell in (("RNN", cells.rnn_cell), ("GRU", cells.gru_cell), ("LSTM", cells.lstm_cell)):
        layers = both(kind, 5, 2, seed=1)
        start = (torch.zeros(2), torch.zeros(2)) if kind == "LSTM" else torch.zeros(2)
        by_hand = torch.cat([cells.unroll(cell, x, start, *layers["torch.nn"].parameters())[0] for x in sequences])
        for name, layer in layers.items():
            output, lengths = pad_packed_sequence(layer(pack_sequence(sequences, enforce_sorted=False))[0])
            by_layer = torch.cat([output[:length, i] for i, length in enumerate(lengths)])
            agree(f"{kind} on {steps} steps: by hand and {name}", by_hand, by_layer)
    return found


def b_hh_twice() -> dict:
    """A mistake: b_hh twice, b_ih never.

    Mix up two names that differ in a letter, and the loop reads

        h_t = tanh(W_ih x_t + b_hh + W_hh h_{t-1} + b_hh)        wrong

    No error is raised, and what comes out looks like hidden states: only beside the layer does it show. To find the
    culprit, undo the tanh of the first step, where the state is still zero: what is left of the difference is
    b_hh - b_ih. The cure is the right name.

    Returns the three states with the mistake, after the cure, and by torch.nn.
    """

    def mistaken_cell(x, h, w_ih, w_hh, b_ih, b_hh):
        return torch.tanh(x @ w_ih.T + b_hh + h @ w_hh.T + b_hh)

    layer = both("RNN", 5, 2, seed=1, batch_first=True)["torch.nn"]
    w_ih, w_hh, b_ih, b_hh = layer.parameters()

    def loop(cell):
        return cells.unroll(cell, ONES_TWOS_THREES, torch.zeros(2), w_ih, w_hh, b_ih, b_hh)[0]

    found = {"mistake": loop(mistaken_cell), "cure": loop(cells.rnn_cell), "torch.nn": layer(ONES_TWOS_THREES)[0]}
    for name, states in found.items():
        show(name, states, digits=7)
    agree("the mistake and its published numbers", found["mistake"], PUBLISHED_MISTAKE)
    differ("the mistake and torch.nn", found["mistake"], found["torch.nn"], least=0.1)
    left = torch.atanh(found["mistake"][0]) - torch.atanh(found["torch.nn"][0])
    agree("what is left and b_hh - b_ih", left, b_hh - b_ih)
    agree("the cure and torch.nn", found["cure"], found["torch.nn"])
    return found


def linear_start() -> dict[str, Tensor]:
    """What the linear recurrence starts from: h_0 of shape (1, 1), w_h of shape (1, 1), w_e of shape (4, 1)."""
    generator = torch.Generator().manual_seed(12)
    w_h, w_e = torch.randn(1, 1, generator=generator), torch.randn(4, 1, generator=generator)
    return {"h_0": randn(13, 1, 1), "w_h": w_h, "w_e": w_e}


def linear_step() -> dict:
    """Linear recurrence.

    Without tanh and biases a step is two products and a sum. Here one unit reads one word, a vector e of four features,

        h_1 = h_0 w_h + e w_e

    once by a function, and once by a loop over the features that adds one product after the other.

    Returns e, h_0, w_h, w_e, and h_1 by each way.
    """
    e, start = randn(15, 4, 1), linear_start()
    h_0, w_h, w_e = start.values()

    by_loop = h_0 * w_h
    for feature, weight in zip(e, w_e, strict=True):
        by_loop = by_loop + feature * weight

    found = {"e": e, **start, "h_1": cells.linear_cell(e.T, h_0, w_e, w_h), "h_1, loop": by_loop}
    for name, value in found.items():
        show(name, value.T)
    agree("h_1 by the function and by the loop", found["h_1"], by_loop)
    for name, published in PUBLISHED_STEP.items():
        agree(f"{name} and its published digits", found[name].flatten(), published, tolerance=6e-5)
    return found


def linear_sentence() -> dict:
    """The linear recurrence over a sentence.

    Five words, one after the other, make six states, h_0 among them. They can be had by a loop that goes on from the
    last one, by a function that calls itself for the one before, or by adding up what each word has left behind:

        h_t = h_0 w_h^t + e_1 w_e w_h^(t-1) + ... + e_t w_e

    Every further step is another factor of w_h: larger than 1 in size, it makes the past explode, near 0, vanish.

    Returns the six states by each way.
    """
    h_0, w_h, w_e = linear_start().values()
    words = WORDS.T

    states = [h_0]
    for e in words:
        states.append(cells.linear_cell(e, states[-1], w_e, w_h))

    def state(t):
        return h_0 if t == 0 else cells.linear_cell(words[t - 1], state(t - 1), w_e, w_h)

    def added_up(t):
        return h_0 * w_h**t + sum(words[s] @ w_e * w_h ** (t - 1 - s) for s in range(t))

    found = {
        "loop": torch.cat(states).flatten(),
        "function": torch.cat([state(t) for t in range(6)]).flatten(),
        "sum": torch.cat([added_up(t) for t in range(6)]).flatten(),
    }
    for name, value in found.items():
        show(name, value)
    agree("the loop and the function", found["loop"], found["function"])
    agree("the loop and the sum", found["loop"], found["sum"])
    agree("the loop and the published states (from four digits)", found["loop"], PUBLISHED_STATES, tolerance=1e-4)
    return found


class Units:
    """One or more recurrent units that keep every state they have been in, each of shape (hidden,), h_0 first.

    `step(e, h)` is the state after the word `e`, of shape (features,), which is read in the state `h`.
    """

    def __init__(self, hidden_size: int, step: Callable[[Tensor, Tensor], Tensor]):
        self.history, self.step = [torch.zeros(hidden_size)], step

    def read(self, words: Tensor) -> Tensor:
        """Read words, of shape (words, features); returns all states so far, of shape (1 + words, hidden)."""
        for e in words:
            self.history.append(self.step(e, self.history[-1]))
        return torch.stack(self.history)


def history_of_states() -> dict:
    """History of states.

    An object reads words and keeps every state in a list: one more than there are words, because h_0 comes first. Made
    of two Linear layers, it is the recurrent layer with their weights; made of plain tensors, the one with bias=False.
    There another mistake lurks, tanh taken twice on the way from the word:

        h_t = tanh(h_{t-1} W_h + tanh(e_t W_e))        wrong

    The cure is to add first, and to squash the sum once.

    Returns for one unit and for three the histories of the Linear and the plain units, of the mistake and by torch.nn.
    """
    return {"1 unit": histories_of("1 unit", 1), "3 units": histories_of("3 units", 3)}


def histories_of(units: str, hidden: int) -> dict[str, Tensor]:
    """The histories of so many units, each of shape (1 + words, hidden) or without h_0, shown for one unit alone."""
    words = WORDS.T
    layers = both("RNN", 4, hidden, seed=7)
    with seeded(7):
        from_word, from_state = nn.Linear(4, hidden), nn.Linear(hidden, hidden)
    w_ih, w_hh, b_ih, b_hh = layers["torch.nn"].parameters()
    from_word.load_state_dict({"weight": w_ih, "bias": b_ih})
    from_state.load_state_dict({"weight": w_hh, "bias": b_hh})
    histories = {"Linear": Units(hidden, lambda e, h: torch.tanh(from_word(e) + from_state(h))).read(words)}
    if hidden == 1:
        show(f"{units}, Linear", histories["Linear"].T)
    same(f"{units}: states kept and words + 1", len(histories["Linear"]), len(words) + 1)
    for name, layer in layers.items():
        histories[name], _ = layer(words)
        agree(f"{units}: Linear layers and {name}", histories["Linear"][1:], histories[name])

    bare = both("RNN", 4, hidden, seed=7, bias=False)["torch.nn"]
    w_e, w_h = (weight.T for weight in bare.parameters())
    histories["plain"] = Units(hidden, lambda e, h: torch.tanh(h @ w_h + e @ w_e)).read(words)
    histories["mistake"] = Units(hidden, lambda e, h: torch.tanh(h @ w_h + torch.tanh(e @ w_e))).read(words)
    if hidden == 1:
        show(f"{units}, plain", histories["plain"].T)
        show(f"{units}, tanh twice", histories["mistake"].T)
    agree(f"{units}: plain tensors and torch.nn without bias", histories["plain"][1:], bare(words)[0])
    differ(f"{units}: tanh twice and torch.nn without bias", histories["mistake"][1:], bare(words)[0], least=0.01)
    undone = torch.atanh(histories["mistake"][1])
    agree(f"{units}: the first tanh twice with one undone and plain", undone, histories["plain"][1])
    return histories
