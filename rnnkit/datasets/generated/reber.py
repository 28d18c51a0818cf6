"""Strings of the embedded Reber grammar: what is the next symbol? Made from a random stream, no download.

A Reber string goes from B to E through the automaton below, each of two ways with probability 1/2. An embedded one is
B, then T or P, then a Reber string, then *the same* T or P, then E: to predict the symbol before the last, a net has
to remember the second one while it reads a string that says nothing about it. For longer memories several
Reber strings stand inside, one after the other.

S. Fahlman, The Recurrent Cascade-Correlation Architecture, 1991; A. Cleeremans, D. Servan-Schreiber & J. McClelland,
Finite State Automata and Simple Recurrent Networks, 1989; Hochreiter & Schmidhuber, Long Short-Term Memory, 1997,
experiment 1. The repeated inner strings are our own.

All here follows from one Markov chain: the strings, and what the best net and nets that do not remember reach.

>>> round(embedded(12).best, 4), round(embedded(12).without_memory, 4)
(0.4411, 0.5041)
"""

import functools
import itertools
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from rnnkit.datasets.generated.memory_tasks import Task
from rnnkit.sequences import Examples


SYMBOLS = "BTPSXVE"
INNER = 8  # symbols of a Reber string in the mean, B and E included

# The automaton by its edges: each is named after its symbol and the node it leaves, and leads to the ones named.
_EDGES = {
    **{"B0": ["T1", "P1"], "T1": ["S2", "X2"], "P1": ["T3", "V3"], "S2": ["S2", "X2"], "X2": ["X4", "S4"]},
    **{"T3": ["T3", "V3"], "V3": ["P5", "V5"], "X4": ["T3", "V3"], "P5": ["X4", "S4"], "S4": ["E6"], "V5": ["E6"]},
}


@dataclass(frozen=True)
class Chain:
    """A Markov chain through whose states an embedded string goes: from the first one to the last one.

    `names` holds each state as the second symbol of the string ("" outside) and an edge; `symbols` the symbol that
    each gives; `probabilities[i, j]` is that of going from i to j; all float64. The symbols so far always determine the
    state.
    """

    names: list[tuple[str, str]]
    symbols: Tensor
    probabilities: Tensor

    @functools.cached_property
    def pairs(self) -> Tensor:
        """How often, in the mean, a string goes from each state to each, of shape (states, states)."""
        count = len(self.names)
        start = torch.zeros(count, dtype=torch.float64, device="cpu")
        start[0] = 1
        visits = torch.linalg.solve((torch.eye(count, dtype=torch.float64, device="cpu") - self.probabilities).T, start)
        return visits.unsqueeze(1) * self.probabilities

    @functools.cached_property
    def shares(self) -> Tensor:
        """How often, in the mean, a string has each symbol after each state, of shape (states, symbols)."""
        shares = torch.zeros(len(self.names), len(SYMBOLS), dtype=torch.float64, device="cpu")
        return shares.index_add(1, self.symbols, self.pairs)

    def costs(self, knowledge: Sequence[Hashable]) -> Tensor:
        """Nats that each symbol costs after each state, of shape (states, symbols), for who knows all probabilities.

        Of the state he knows what `knowledge` says of it. What never follows costs infinitely much.
        """
        kinds = {kind: i for i, kind in enumerate(dict.fromkeys(knowledge))}
        groups = torch.tensor([kinds[kind] for kind in knowledge], device="cpu")
        shares = torch.zeros_like(self.shares).index_add(0, groups, self.shares)
        return -(shares / shares.sum(1, keepdim=True).clamp_min(1e-300)).log()[groups]

    def loss(self, knowledge: Sequence[Hashable]) -> float:
        """Nats for each symbol to come, in the mean, for who knows of each state what `knowledge` says of it."""
        nats = torch.where(self.shares > 0, self.shares * self.costs(knowledge), 0.0)
        return (nats.sum() / self.shares.sum()).item()


def chain(length: float) -> Chain:
    """The chain of embedded strings of `length` symbols in the mean, 12 or more; with 12, just one is inside.

    Behind each inner string stands another one with the probability that makes the mean.
    """
    again = 1 - 1 / ((length - 4) / INNER)
    ways: dict[tuple[str, str], dict[tuple[str, str], float]] = {("", "B"): {("T", "open"): 0.5, ("P", "open"): 0.5}}
    for second in "TP":
        ways[second, "open"] = {(second, "B0"): 1.0}
        for edge, after in _EDGES.items():
            ways[second, edge] = {(second, other): 1 / len(after) for other in after}
        ways[second, "E6"] = {(second, "B0"): again, (second, "close"): 1 - again}
        ways[second, "close"] = {("", "E"): 1.0}
    names = [*ways, ("", "E")]
    probabilities = torch.zeros(len(names), len(names), dtype=torch.float64, device="cpu")
    for i, name in enumerate(names[:-1]):
        for other, probability in ways[name].items():
            probabilities[i, names.index(other)] = probability
    symbols = [second if edge in ("open", "close") else edge[0] for second, edge in names]
    return Chain(names, torch.tensor([SYMBOLS.index(symbol) for symbol in symbols], device="cpu"), probabilities)


def embedded(length: int) -> Task:
    """Predict each next symbol of embedded strings of `length` symbols in the mean, 12 or more.

    `without_memory` is for a net that knows where in the grammar it is but not the second symbol, `own_input` for one
    that knows the symbol before, `best` is the entropy. An answer is right that gives the symbol before the last, T or
    P, the higher score of these two.
    """
    states = chain(length)
    last = len(states.names) - 1
    # Every state but the last leads to `ways[state][0]` with probability `first[state]`, else to `ways[state][1]`.
    rows = [row.nonzero().flatten().tolist() for row in states.probabilities]
    ways = [(row * 2)[:2] for row in rows]
    first = [states.probabilities[i, row[0]].item() for i, row in enumerate(rows[:-1])]

    def make(count: int, generator: Generator) -> Examples:
        def some() -> list[float]:
            return torch.rand(1_024, dtype=torch.float64, device="cpu", generator=generator).tolist()

        drawn = (some() for _ in itertools.count())
        numbers = itertools.chain.from_iterable(drawn)
        strings = []
        for _ in range(count):
            path = [0]
            while path[-1] != last:
                state = path[-1]
                path.append(ways[state][next(numbers) >= first[state]])
            strings.append(states.symbols[path])
        vectors = torch.eye(len(SYMBOLS), dtype=torch.float32, device="cpu")
        return Examples([vectors[string[:-1]] for string in strings], [string[1:] for string in strings])

    following = {(i, int(states.symbols[j])): j for i, j in states.probabilities.nonzero().tolist()}

    def on(examples: Examples, knowledge: Sequence[Hashable]) -> float:
        """The loss on just these examples for who knows of each state what `knowledge` says of it."""
        costs = states.costs(knowledge).tolist()
        nats, steps = 0.0, 0
        for targets in examples.targets:
            state = 0
            for symbol in targets.tolist():
                nats += costs[state][symbol]
                state = following[state, symbol]
            steps += len(targets)
        return nats / steps

    t, p = SYMBOLS.index("T"), SYMBOLS.index("P")

    def right(given: list[Tensor], examples: Examples) -> Tensor:
        pairs = zip(given, examples.targets, strict=True)
        found = [(scores[-2, t] > scores[-2, p]) == (targets[-2] == t) for scores, targets in pairs]
        return torch.tensor(found, device="cpu")

    # What a net knows of a state: where in the grammar it is, its symbol alone, or all there is.
    known = {"without_memory": [edge for _, edge in states.names], "own_input": states.symbols.tolist()}
    known["best"] = states.names
    losses: dict[str, Any] = {name: states.loss(knowledge) for name, knowledge in known.items()}
    losses |= {f"{name}_on": functools.partial(on, knowledge=knowledge) for name, knowledge in known.items()}
    return Task(len(SYMBOLS), len(SYMBOLS), every_step=True, make=make, right=right, **losses)
