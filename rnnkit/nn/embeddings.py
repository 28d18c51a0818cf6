"""Ids to vectors: of symbols, and of words together with their letters."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit.core import UserError
from rnnkit.nn import heads
from rnnkit.nn.registry import Layers
from rnnkit.sequences import map_packed, pack


@dataclass(frozen=True)
class Letters:
    """How the letters of words are read."""

    count: int  # how many different letters there are
    size: int  # of a letter's vector
    reader_size: int  # units of each direction
    spellings: list[Tensor]  # the numbers of each spelling's letters, as in `Spelled`


class Spelled(nn.Module):
    """Words as a vector of their own, joined with the last states of a recurrent layer that reads their letters.

    Rows of `ids` hold the number of a word and that of its spelling, which may be finer (upper case, say).
    `spellings` holds the numbers of each spelling's letters, a tensor of shape (letters,) each, none of them empty.
    They are no weights, and no part of `state_dict`: put others in their place to read other words.
    """

    def __init__(self, words: nn.Embedding, letters: nn.Embedding, reader: Layers, spellings: list[Tensor]):
        super().__init__()
        self.words, self.letters, self.reader, self.spellings = words, letters, reader, spellings
        self.pool = heads.LastState(reader.bidirectional)
        self.size = words.embedding_dim + reader.hidden_size * (2 if reader.bidirectional else 1)

    def forward(self, ids: Tensor) -> Tensor:
        """Ids of shape (rows, 2) -> vectors of shape (rows, size). A spelling that comes several times is read once."""
        different, places = torch.unique(ids[:, 1], return_inverse=True)
        spelled = pack([self.spellings[i] for i in different.tolist()])
        spelled = spelled.to(ids.device)  # pyright: ignore[reportArgumentType] (torch's stub knows of types alone)
        output, state = self.reader(map_packed(lambda letters: embedded(self.letters, letters), spelled))
        read = self.pool(output, state[0] if isinstance(state, tuple) else state)
        return torch.cat([embedded(self.words, ids[:, 0]), read[places]], dim=1)


def embedded(embedding: nn.Module, ids: Tensor) -> Tensor:
    """The vectors of ids. Raises `UserError` for ids of no integer type, and for one that the embedding lacks."""
    try:
        return embedding(ids)
    except (IndexError, RuntimeError, TypeError):
        if ids.dtype not in (torch.long, torch.int) and isinstance(embedding, (nn.Embedding, Spelled)):
            raise UserError(f"ids must be whole numbers, of torch.long, and these are of {ids.dtype}") from None
        if not isinstance(embedding, nn.Embedding):
            raise
        count = embedding.num_embeddings
        outside = ((ids < 0) | (ids >= count)).nonzero()
        if not len(outside):
            raise
        place = tuple(outside[0].tolist())
        raise UserError(f"row {place}: id {ids[place].item()} is outside the vocabulary 0..{count - 1}") from None


def embedded_steps(embedding: nn.Module | None, inputs: PackedSequence) -> PackedSequence:
    """Packed ids as packed vectors, as `embedded` makes them; without an embedding the steps stay as they are."""
    return inputs if embedding is None else map_packed(lambda ids: embedded(embedding, ids), inputs)
