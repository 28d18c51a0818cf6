"""An embedding, recurrent layers and a head: the networks that experiments train."""

import contextlib
import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from rnnkit.core import BaseConfig, UserError, require_counts, seeding
from rnnkit.nn import heads, initialisation, portable, registry
from rnnkit.nn.embeddings import Letters, Spelled, embedded, embedded_steps
from rnnkit.nn.registry import Layers
from rnnkit.sequences import PackedLayout, State, map_packed


LINEAR = {"portable": portable.Linear, "torch": nn.Linear}  # by what a configuration says of bits


@dataclass(frozen=True)
class Made:
    """How a net was made: the function below that made it, the settings that it depends on, the other arguments."""

    kind: str
    settings: dict[str, Any]
    arguments: dict[str, Any]


# What of a configuration is training's alone, or that of initial weights: a trained net is the same without.
_OF_TRAINING = {"seed", "init", "optimizer", "learning_rate", "schedule", "clip", "batch_size", "epochs", "device"}
_OF_TRAINING |= {"evaluate_every", "patience", "keep", "ties"}


def _made(kind: str, config: BaseConfig, **arguments: Any) -> Made:
    fields = [
        f for f in dataclasses.fields(BaseConfig) if not f.metadata.get("placement") and not f.metadata.get("watching")
    ]
    values = {f.name: getattr(config, f.name) for f in fields if f.name not in _OF_TRAINING}
    return Made(kind, values | {"cell": str(config.cell)}, arguments)


class SequenceClassifier(nn.Module):
    """A packed batch -> embedding, if there is one -> recurrent layers -> pooling -> a score for each class.

    `embedding` turns ids into vectors; without one, the steps are raw features. `encoder` is the recurrent module,
    `pool` and `head` are from `rnnkit.nn.heads`. What `grams` make of ids is added to the scores.
    """

    made: Made | None = None

    def __init__(
        self,
        encoder: Layers,
        pool: nn.Module,
        head: nn.Module,
        embedding: nn.Module | None = None,
        grams: heads.Grams | None = None,
    ):
        super().__init__()
        self.embedding, self.encoder, self.pool, self.head, self.grams = embedding, encoder, pool, head, grams

    def forward(self, inputs: PackedSequence) -> Tensor:
        """Scores (logits) of shape (batch, classes), in the order in which the examples were packed."""
        output, state = self.encoder(embedded_steps(self.embedding, inputs))
        h_n = state[0] if isinstance(state, tuple) else state  # an LSTM's state is a pair
        scores = self.head(self.pool(output, h_n))
        return scores if self.grams is None else scores + self.grams(inputs)


class Tagger(nn.Module):
    """A packed batch -> embedding, if there is one -> recurrent layers -> a score for each tag at every valid step.

    `dropout` is the share of units dropped before the recurrent layers and after them.
    """

    made: Made | None = None

    def __init__(self, encoder: Layers, head: nn.Module, embedding: nn.Module | None = None, dropout: float = 0.0):
        super().__init__()
        self.embedding, self.encoder, self.head = embedding, encoder, head
        self.dropout = portable.Dropout(dropout)

    def forward(self, inputs: PackedSequence) -> PackedSequence:
        """Scores (logits), packed as the input is, over (steps, tags)."""
        output, _ = self.encoder(map_packed(self.dropout, embedded_steps(self.embedding, inputs)))
        return map_packed(lambda rows: self.head(self.dropout(rows)), output)


class LanguageModel(nn.Module):
    """Ids -> embedding -> recurrent layers -> a score for each symbol to come next. The state is given and returned.

    `head` is a linear layer from hidden states to symbols. The encoder has one direction and `batch_first`. `dropout`
    is the share of units dropped before the encoder and after it.
    """

    made: Made | None = None

    def __init__(self, embedding: nn.Module, encoder: Layers, head: nn.Linear, dropout: float = 0.0):
        super().__init__()
        if encoder.bidirectional:
            raise UserError("a language model reads in one direction: the other one knows what comes next")
        self.embedding, self.encoder, self.head = embedding, encoder, head
        self.dropout = portable.Dropout(dropout)

    def forward(self, ids: Tensor, state: State = None) -> tuple[Tensor, State]:
        """Ids of shape (batch, steps) -> scores (logits) of shape (batch, steps, symbols), and the state after them."""
        output, state = self.encoder(self.dropout(embedded(self.embedding, ids)), state)
        return self.head(self.dropout(output)), state

    def step(self, ids: Tensor, state: State = None) -> tuple[Tensor, State]:
        """One step, for generation: ids of shape (batch,) -> scores of shape (batch, symbols), and the state after."""
        scores, state = self(ids.unsqueeze(1), state)
        return scores.squeeze(1), state


NETS = (SequenceClassifier, Tagger, LanguageModel)


class CutRecurrence(nn.Module):
    """A recurrent module of one direction that starts from zeros at every step: each step sees its own input alone.

    No state is carried, neither hidden nor cell. It takes packed batches, and stands in a model where the recurrent
    module stood: what the model still can do, it can do without memory.
    """

    def __init__(self, steps: Layers):
        super().__init__()
        if steps.bidirectional:
            raise ValueError("a recurrence is cut in modules of one direction")
        self.steps = steps

    def forward(self, inputs: PackedSequence) -> tuple[PackedSequence, State]:
        """As the module's own: output and final state of every sequence."""
        rows, state = self.steps(inputs.data.unsqueeze(1 if self.steps.batch_first else 0))
        last = PackedLayout(inputs.batch_sizes).last.to(inputs.data.device)
        if inputs.unsorted_indices is not None:
            last = last[inputs.unsorted_indices]
        final = tuple(part[:, last] for part in state) if isinstance(state, tuple) else state[:, last]
        return inputs._replace(data=rows.flatten(0, 1)), final


@contextlib.contextmanager
def _initial_weights(seed: int) -> Generator[None, None, None]:
    """Modules made inside draw their weights from the run's stream for weights; the global random state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeding.stream(seed, "weights"))
        yield


def _recurrent(config: BaseConfig, input_size: int, longest: int, batch_first: bool = False) -> Layers:
    """The recurrent layers that `config` describes."""
    options = {"num_layers": config.depth, "bidirectional": config.bidirectional, "dropout": config.dropout}
    encoder = registry.made(config, input_size, config.hidden_size, batch_first=batch_first, **options)
    initialisation.initialise_(encoder, config.init, longest)
    return encoder


def classifier(
    config: BaseConfig,
    input_size: int,
    classes: int,
    longest: int,
    *,
    vocabulary: int | None = None,
    pool: str = "last",
    head_size: int = 0,
    head_dropout: float = 0.0,
    grams: int = 0,
) -> SequenceClassifier:
    """The classifier that `config` describes, its initial weights drawn from the run's stream for weights.

    `input_size` is the size of a step's features; with a `vocabulary`, that of the embedding's vectors, where id 0
    stands for padding. `longest` is the length of the longest sequence, which the chrono initialisation spreads its
    time scales up to. `grams` is the longest run of ids that counts by itself, in `heads.Grams`, 0 for none. For the
    rest see `heads.pooling` and `heads.classification`.

    The global random state is left as it was. Raises `UserError` where a size or count is not at least 1.
    """
    require_counts(input_size=input_size, classes=classes, vocabulary=1 if vocabulary is None else vocabulary)
    with _initial_weights(config.seed):
        embedding = None if vocabulary is None else nn.Embedding(vocabulary, input_size, padding_idx=0)
        encoder = _recurrent(config, input_size, longest)
        linear = LINEAR[config.bits]
        pooled, size = heads.pooling(pool, encoder, linear)
        head = heads.classification(size, classes, head_size, head_dropout, linear)
        straight = heads.Grams(classes, grams) if grams else None
        model = SequenceClassifier(encoder, pooled, head, embedding, straight)
    options = {"vocabulary": vocabulary, "pool": pool, "head_size": head_size, "head_dropout": head_dropout}
    options["grams"] = grams
    model.made = _made("classifier", config, input_size=input_size, classes=classes, longest=longest, **options)
    return model


def language_model(
    config: BaseConfig,
    vocabulary: int,
    embedding_size: int,
    longest: int,
    *,
    tied: bool = False,
    outer_dropout: float = 0.0,
    limit: float = 0.0,
) -> LanguageModel:
    """The language model that `config` describes, as `classifier` makes its own.

    `tied` lets the head use the embedding's weight (Press & Wolf, Using the Output Embedding, 2017), for which
    hidden states and embedding must have one size. `outer_dropout` acts before and after the recurrent layers. With a
    `limit` all weights start uniform between it and its negative, save for what `config.init` then sets. Raises
    `UserError` where a size or count is not at least 1, and for sizes that cannot be tied.
    """
    require_counts(vocabulary=vocabulary, embedding_size=embedding_size)
    if tied and embedding_size != config.hidden_size:
        raise UserError(
            f"tied embeddings need --embedding-size ({embedding_size}) and --hidden-size ({config.hidden_size}) alike"
        )
    with _initial_weights(config.seed):
        embedding = nn.Embedding(vocabulary, embedding_size)
        encoder = _recurrent(config, embedding_size, longest, batch_first=True)
        head = LINEAR[config.bits](config.hidden_size, vocabulary)
        if tied:
            head.weight = embedding.weight
        model = LanguageModel(embedding, encoder, head, outer_dropout)
        if limit:
            initialisation.uniform_(model, limit)
            initialisation.initialise_(encoder, config.init, longest)
    sizes = {"vocabulary": vocabulary, "embedding_size": embedding_size, "longest": longest}
    model.made = _made("language_model", config, **sizes, tied=tied, outer_dropout=outer_dropout)
    return model


def tagger(
    config: BaseConfig,
    input_size: int,
    tags: int,
    longest: int,
    *,
    vocabulary: int | None = None,
    letters: Letters | None = None,
    outer_dropout: float = 0.0,
    head_dropout: float = 0.0,
) -> Tagger:
    """The tagger that `config` describes, as `classifier` makes its own.

    With a `vocabulary` and `letters` its inputs are those of `Spelled`, read by a layer of the cell of `config`.
    `outer_dropout` acts before and after the recurrent layers, `head_dropout` on the top layer's units alone. Raises
    `UserError` where a size or count is not at least 1.
    """
    require_counts(input_size=input_size, tags=tags, vocabulary=1 if vocabulary is None else vocabulary)
    with _initial_weights(config.seed):
        embedding = None if vocabulary is None else nn.Embedding(vocabulary, input_size, padding_idx=0)
        if embedding is not None and letters is not None:
            reader = registry.made(config, letters.size, letters.reader_size, bidirectional=True)
            initialisation.initialise_(reader, config.init, max(map(len, letters.spellings)))
            vectors = nn.Embedding(letters.count, letters.size, padding_idx=0)
            embedding = Spelled(embedding, vectors, reader, letters.spellings)
        size = embedding.size if isinstance(embedding, Spelled) else input_size
        encoder = _recurrent(config, size, longest)
        size = config.hidden_size * (2 if config.bidirectional else 1)
        head = heads.classification(size, tags, dropout=head_dropout, linear=LINEAR[config.bits])
        model = Tagger(encoder, head, embedding, outer_dropout)
    options = {"letters": letters, "outer_dropout": outer_dropout, "head_dropout": head_dropout}
    sizes = {"input_size": input_size, "tags": tags, "longest": longest, "vocabulary": vocabulary}
    model.made = _made("tagger", config, **sizes, **options)
    return model
