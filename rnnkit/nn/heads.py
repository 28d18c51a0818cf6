"""What turns the states of recurrent layers into outputs: pooling over valid steps, scores of classes and symbols.

A pooling gets what a recurrent layer gives for a packed batch: `output`, packed over (steps, directions x hidden), and
`h_n`, of shape (layers x directions, batch, hidden). It returns one vector for each sequence, in the order in which
the examples came. Only valid steps are read: a sequence's vector does not depend on what it is batched with.
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from rnnkit.nn import portable
from rnnkit.nn.registry import Layers
from rnnkit.sequences import PackedLayout, map_packed, means, owners


class LastState(nn.Module):
    """The final state of the top layer: of both directions, joined, where there are two.

    It reads `h_n` and never the last row of the output: for a sequence shorter than the batch's longest, that row is
    padding, and for the backward direction the row at the end has read one step only.
    """

    def __init__(self, bidirectional: bool):
        super().__init__()
        self.directions = 2 if bidirectional else 1

    def forward(self, output: PackedSequence, h_n: Tensor) -> Tensor:
        """Final states of shape (batch, directions x hidden)."""
        return torch.cat(h_n[-self.directions :].unbind(0), dim=-1)


class MeanPool(nn.Module):
    """The mean of the top layer's states over the sequence's valid steps."""

    def forward(self, output: PackedSequence, h_n: Tensor) -> Tensor:
        """Means of shape (batch, directions x hidden)."""
        return means(output.data, owners(output), h_n.shape[1])


class MaxPool(nn.Module):
    """The largest value of each unit of the top layer over the sequence's valid steps."""

    def forward(self, output: PackedSequence, h_n: Tensor) -> Tensor:
        """Maxima of shape (batch, directions x hidden)."""
        padded, _ = pad_packed_sequence(output, padding_value=float("-inf"))
        return padded.max(dim=0).values


class AttentionPool(nn.Module):
    """A weighted mean of the top layer's states, the weights learned: a_t = softmax_t(v . tanh(W h_t + b)).

    Yang et al., Hierarchical Attention Networks for Document Classification, 2016.
    """

    def __init__(self, size: int, linear: type[nn.Linear] = nn.Linear):
        super().__init__()
        self.project = linear(size, size)
        self.query = linear(size, 1, bias=False)

    def weights(self, output: PackedSequence) -> PackedSequence:
        """How much each valid step counts, packed over (steps,): 0 or more, and 1 in all for each sequence.

        It is 0 where a step's score lies so far below its sequence's best (100 in float32) that the exponential is 0.
        """
        scores = map_packed(lambda rows: self.query(torch.tanh(self.project(rows))).squeeze(1), output)
        owner = owners(output)
        padded, _ = pad_packed_sequence(scores, padding_value=float("-inf"))
        shifted = (scores.data - padded.detach().max(dim=0).values[owner]).exp()
        sums = shifted.new_zeros(padded.shape[1]).index_add(0, owner, shifted)
        return scores._replace(data=shifted / sums[owner])

    def forward(self, output: PackedSequence, h_n: Tensor) -> Tensor:
        """Weighted means of shape (batch, directions x hidden)."""
        rows = self.weights(output).data.unsqueeze(1) * output.data
        return rows.new_zeros(h_n.shape[1], rows.shape[1]).index_add(0, owners(output), rows)


class JoinedPool(nn.Module):
    """The last state, the maximum and the mean, joined (Howard & Ruder, ULMFiT, 2018: "concat pooling")."""

    def __init__(self, bidirectional: bool):
        super().__init__()
        self.parts = nn.ModuleList([LastState(bidirectional), MaxPool(), MeanPool()])

    def forward(self, output: PackedSequence, h_n: Tensor) -> Tensor:
        """Vectors of shape (batch, 3 x directions x hidden)."""
        return torch.cat([part(output, h_n) for part in self.parts], dim=1)


def pooling(name: str, encoder: Layers, linear: type[nn.Linear] = nn.Linear) -> tuple[nn.Module, int]:
    """The pooling of a name (last, mean, max, attention or joined) for a recurrent module, and its vectors' size.

    `linear` makes its linear layers, if it has any.
    """
    both, size = encoder.bidirectional, encoder.hidden_size * (2 if encoder.bidirectional else 1)
    kinds: dict[str, Callable[[], nn.Module]] = {"last": lambda: LastState(both), "mean": MeanPool, "max": MaxPool}
    kinds |= {"attention": lambda: AttentionPool(size, linear), "joined": lambda: JoinedPool(both)}
    if name not in kinds:
        raise ValueError(f"there is no pooling {name!r}: choose last, mean, max, attention or joined")
    return kinds[name](), 3 * size if name == "joined" else size


def classification(
    size: int, classes: int, hidden: int = 0, dropout: float = 0.0, linear: type[nn.Linear] = nn.Linear
) -> nn.Module:
    """Vectors of shape (batch, size) -> scores (logits) of shape (batch, classes).

    A linear layer; with `hidden` units between, two with a relu. `dropout` is the share of units dropped before it.
    `linear` makes the layers.
    """
    if not hidden and not dropout:
        return linear(size, classes)
    layers: list[nn.Module] = [portable.Dropout(dropout)] if dropout else []
    if hidden:
        layers += [linear(size, hidden), nn.ReLU()]
    return nn.Sequential(*layers, linear(hidden or size, classes))


class Grams(nn.Module):
    """Ids, and runs of up to `longest` of them, straight to scores: a linear model beside recurrent layers.

    Cheng et al., Wide & Deep Learning for Recommender Systems, 2016. A run counts where its hash says, among `BUCKETS`
    rows of weights, which start at 0; what stands before the first step is an id of its own. The sum over a sequence is
    divided by the root of its length. Runs that few sequences have are to count for more: see `weigh`.
    """

    BUCKETS = 2**16
    WIDE = 3.0  # how much faster this learns than what is beside it
    scale: Tensor
    FACTOR, PRIME = 1_000_003, 2**31 - 1

    def __init__(self, classes: int, longest: int):
        super().__init__()
        self.longest = longest
        self.weights = nn.Embedding(self.BUCKETS, classes)
        nn.init.zeros_(self.weights.weight)
        self.register_buffer("scale", torch.ones_like(self.weights.weight[:, 0]))

    def weigh(self, sequences: Iterable[Tensor]) -> None:
        """Have a run count by how few of the training `sequences`, ids of shape (steps,), have it.

        Its row of weights is multiplied by `WIDE` (ln((1 + n) / (1 + m)) + 1), where m of n have it: the inverse
        document frequency as scikit-learn has it (Spärck Jones, 1972). So rare runs are learned faster than such as
        are everywhere.
        """
        count, holding = 0, torch.zeros(self.BUCKETS, dtype=torch.long, device="cpu")
        for ids in sequences:
            lags = [functional.pad(ids, (lag, 0), value=-1)[: len(ids)] for lag in range(self.longest)]
            holding[torch.cat(self.buckets(lags)).unique()] += 1
            count += 1
        self.scale.copy_(self.WIDE * (((1 + count) / (1 + holding.double())).log() + 1))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *given: Any, **named: Any) -> None:
        if (weights := state_dict.get(f"{prefix}weights.weight")) is not None:  # earlier versions weighed nothing
            state_dict.setdefault(f"{prefix}scale", torch.ones_like(weights[:, 0]))
        super()._load_from_state_dict(state_dict, prefix, *given, **named)

    @property
    def factors(self) -> list[int]:
        """What the ids of a run count for in its hash, the last step's first."""
        return [pow(self.FACTOR, lag, self.PRIME) for lag in range(self.longest)]

    def buckets(self, lags: Sequence[Tensor]) -> list[Tensor]:
        """Where the runs that end at each step count, the shortest first, each of shape (steps,).

        `lags` are the ids of the steps, those one step before, two steps, ..., each of shape (steps,), -1 for none.
        """
        hashed, found = torch.zeros_like(lags[0]), list[Tensor]()
        for ids, factor in zip(lags, self.factors, strict=True):
            hashed = (hashed + (ids + 2) * factor) % self.PRIME
            found.append(hashed % self.BUCKETS)
        return found

    def rows(self, lags: Sequence[Tensor]) -> Tensor:
        """What the runs that end at each step count for, of shape (steps, classes), by `lags` as `buckets` has them."""
        parts = (self.weights(bucket) * self.scale[bucket].unsqueeze(1) for bucket in self.buckets(lags))
        return functools.reduce(torch.add, parts)

    def forward(self, inputs: PackedSequence) -> Tensor:
        """Packed ids -> scores of shape (batch, classes), in the order in which the examples were packed."""
        layout, owner = PackedLayout(inputs.batch_sizes), owners(inputs)
        before, lags = layout.before.to(owner.device), [inputs.data]
        none = inputs.data.new_full((layout.batch,), -1)
        for _ in range(1, self.longest):
            lags.append(torch.cat([lags[-1], none])[before])
        rows = self.rows(lags)
        sums = rows.new_zeros(layout.batch, rows.shape[1]).index_add(0, owner, rows)
        return sums / torch.bincount(owner, minlength=layout.batch).sqrt().unsqueeze(1)
