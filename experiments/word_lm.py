"""A language model of words: the Penn Treebank with Zaremba's small LSTM, read in order, its state carried along.

    python -m experiments.word_lm                                   # Penn Treebank, the published setting
    python -m experiments.word_lm --tied                            # with one weight for embedding and scores
    python -m experiments.word_lm --hidden-size 650 --embedding-size 650 --steps 35 --dropout 0.5 --outer-dropout 0.5 \\
        --weight-limit 0.05 --full-epochs 6 --decay 1.25 --epochs 39                   # Zaremba's medium model
    python -m experiments.word_lm --data made                       # sentences of a small grammar, no download
    python -m experiments.word_lm --data my_sentences.txt           # a sentence a line, words separated by blanks

The defaults are those of Zaremba, Sutskever & Vinyals, Recurrent Neural Network Regularization (2014), small model: 2
layers of 200, weights uniform in +-0.1, no dropout; the text as 20 streams side by side, 20 steps at a time (truncated
backpropagation through time), 13 epochs, the learning rate halved before each after the fourth. Their loss is summed
over the 20 steps and averaged over the streams; ours is the mean over both, 1/20 of it. So their learning rate of 1 and
clipping at a norm of 5 are our 20 and 0.25: the same steps.

Perplexity is exp(-the mean log-likelihood of all words), line ends included, over the whole text with the state
carried from its beginning to its end. A line end is put before the first word, so that it is predicted too. Beside it
stands what counts of 5 words give (Kneser-Ney).
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from rnnkit.core import BaseConfig, UserError, cli, defaults
from rnnkit.datasets import Parts, ptb
from rnnkit.datasets.formats import word_lines
from rnnkit.datasets.generated import made_sentences
from rnnkit.evaluation import ngram
from rnnkit.runs import Reference, ReferenceKind
from rnnkit.training import Final, Objective, Space, Task, experiment, studied, tuned


if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
@defaults(cell="lstm", optimizer="sgd", clip=0.25, keep="last")
class Config(BaseConfig):
    """Settings of one run."""

    experiment: ClassVar[str] = "word_lm"
    needs: ClassVar = {
        **BaseConfig.needs,
        **dict.fromkeys(("full_epochs", "decay"), {"schedule": lambda schedule: schedule == "halving"}),
    }

    hidden_size: int = 200
    """Units in each layer."""
    bidirectional: bool = False
    """Must stay off: a net that reads backwards has seen what comes next."""
    learning_rate: float = 20.0
    """The optimizer's learning rate, at its peak where there is a schedule; Adam wants some 0.002."""
    schedule: Literal["halving", "one-cycle", "cosine", "constant"] = "halving"  # pyright: ignore[reportIncompatibleVariableOverride] (one more)
    """How the learning rate goes: divided by `--decay` before each epoch after the first `--full-epochs`; up and down
    again; down along a cosine; or nowhere."""
    full_epochs: int = 4
    """Epochs at the full learning rate, with --schedule halving."""
    decay: float = 2.0
    """What the learning rate is divided by before each later epoch, with --schedule halving."""
    batch_size: int = 20
    """Streams: pieces of the text that are read side by side."""
    epochs: int = 13
    """Passes over the training text."""
    data: str = "ptb"
    """The text: ptb, made (by a small grammar, no download), or the path of a text file with a sentence a line."""
    least_count: int = 0
    """Words that occur less often in the training part count as <unk>; 0 for 2, or 1 where the text has <unk>."""
    steps: int = 20
    """Words that are read at a time: how far gradients go back through time."""
    embedding_size: int = 200
    """Numbers that stand for a word."""
    tied: bool = False
    """Score words with the embedding's weights; needs embedding and hidden size alike."""
    outer_dropout: float = 0.0
    """Share of units dropped before the first layer and after the last; `--dropout` acts between layers alone."""
    weight_limit: float = 0.1
    """All weights start uniform between this and its negative, save for what --init sets; 0 for torch's own start."""

    def __post_init__(self):
        super().__post_init__()
        self._require_counts("steps", "embedding_size", "full_epochs")
        for name in ("least_count", "weight_limit"):
            self._require(name, 0 <= getattr(self, name) <= 1_000_000, "0 or more, and at most 1,000,000")
        self._require("outer_dropout", 0 <= self.outer_dropout < 1, "at least 0 and below 1")
        self._require("decay", 1 <= self.decay < math.inf, "at least 1 and finite")
        if self.bidirectional:
            raise UserError("--bidirectional: a net that reads backwards has seen what comes next; leave it out")
        if self.tied and self.embedding_size != self.hidden_size:
            raise UserError(f"--tied needs --embedding-size {self.hidden_size}, as large as --hidden-size")
        if self.data not in ("ptb", "made") and not Path(self.data).suffix:
            raise UserError(f"--data must be ptb, made, or the path of a .txt file, not {self.data}")


# Test perplexities that others published for the small model, by whether its weights are tied.
PUBLISHED = {
    False: ("small LSTM (Zaremba et al., 2014)", 114.5),
    True: ("small LSTM, tied weights (Press & Wolf, 2017)", 112.4),
}

OBJECTIVE = Objective("metric/perplexity/valid")

START = {"cell": "lstm", "learning_rate": 20.0, "clip": 0.25}
SPACE = Space((64, 128, 200), (1, 2), studied((64, 400), 2, both=False), tuned((5.0, 40.0), (0.1, 1.0)), START)


def setup(config: Config, device: "torch.device") -> "Task[Numbered]":
    """The net, its batches and its loss, from the settings."""
    from rnnkit.nn import models
    from rnnkit.training import tasks

    data = numbered(config.data, config.data_dir, config.least_count)
    if len(data.train) <= config.batch_size:
        raise UserError(
            f"--data {config.data}: {len(data.train) - 1} words to train with are too few for "
            f"--batch-size {config.batch_size}"
        )
    sizes, outer = (len(data.words), config.embedding_size, config.steps), config.outer_dropout
    model = models.language_model(config, *sizes, tied=config.tied, outer_dropout=outer, limit=config.weight_limit)
    name = Path(config.data).stem
    rate = halving(config.full_epochs, config.decay) if config.schedule == "halving" else None
    return tasks.on_text(config, OBJECTIVE, model.to(device), data, name, config.steps, measured, rate=rate)


def conclude(config: Config, task: "Task[Numbered]") -> Final:
    """Test the last weights, beside counts, the best possible and what was published; keep the words with them."""
    from rnnkit.sequences import Preprocessing

    metric, kinds = "perplexity", ReferenceKind
    tested = perplexity(nats_per_word(task.model, task.data.test))
    counted = baseline(config.data, config.data_dir, config.least_count)
    references = [Reference("counts of 5 words (Kneser-Ney)", metric, counted)]
    best = load(config.data, config.data_dir).best_perplexity
    if best is not None:
        references.append(Reference("the grammar that made the text, the best possible", metric, best, kinds.LIMIT))
    if config.data == "ptb":
        what, published = PUBLISHED[config.tied]
        references.append(Reference(what, metric, published, kinds.PUBLISHED))
    metrics = task.evaluate() | {"metric/perplexity/test": tested}
    words = tuple(task.data.words)
    kept = Preprocessing("tokens", "next", vocabulary=words, classes=words, start=word_lines.END)
    return Final(metrics, references=references, keep={"words": task.data.words}, preprocessing=kept)


def load(data: str, data_dir: Path | None) -> word_lines.Words:
    """The text of a name or a path."""
    if data == "ptb":
        return ptb.load(data_dir)
    return made_sentences.load() if data == "made" else word_lines.read(Path(data))


@dataclass(frozen=True)
class Numbered(Parts["torch.Tensor"]):
    """The parts as numbers of words, each after a line end, and the words by number."""

    words: list[str]


@functools.lru_cache(maxsize=2)  # the trials of a sweep share it
def numbered(data: str, data_dir: Path | None, least_count: int) -> Numbered:
    """The text as numbers of words."""
    import torch

    source = load(data, data_dir)
    words = word_lines.vocabulary(source.train, least_count)
    numbers = {word: number for number, word in enumerate(words)}
    unknown = numbers[word_lines.UNKNOWN]
    parts = [
        torch.tensor([numbers.get(word, unknown) for word in (word_lines.END, *part)], device="cpu") for part in source
    ]
    return Numbered(*parts, sha256=source.sha256, words=words)


def halving(full_epochs: int, decay: float) -> Callable[[float], float]:
    """The schedule as a function of the epochs done: 1 for `full_epochs`, then divided by `decay` before each epoch.

    >>> [halving(4, 2.0)(epochs) for epochs in (0, 3.99, 4, 5.5)]
    [1.0, 1.0, 0.5, 0.25]
    """
    return lambda epochs: decay ** -max(0, math.floor(epochs) + 1 - full_epochs)


def nats_per_word(model: "torch.nn.Module", ids: "torch.Tensor") -> float:
    """What the model needs for each word of a text after its first, the state carried from beginning to end, in nats.

    The log-likelihoods of all words are summed up in float64, then divided by their number.
    """
    from rnnkit.nn import portable
    from rnnkit.training import tasks

    def nats(scores, targets):
        return portable.cross_entropy(scores.double(), targets, reduction="sum")

    return tasks.nats_of_text(model, ids, 500, nats) / (len(ids) - 1)


def measured(model: "torch.nn.Module", ids: "torch.Tensor", split: str) -> dict[str, float]:
    """Scores of a part."""
    nats = nats_per_word(model, ids)
    return {f"loss/{split}": nats, f"metric/perplexity/{split}": perplexity(nats)}


def perplexity(nats: float) -> float:
    """exp(nats); infinite where that is too large for a number."""
    return math.exp(nats) if nats < 700 else math.inf


@functools.lru_cache(maxsize=2)
def baseline(data: str, data_dir: Path | None, least_count: int) -> float:
    """The perplexity of the test part by counts of 5 words of the training part, over the same words."""
    text = numbered(data, data_dir, least_count)
    return perplexity(ngram.kneser_ney(text.train.numpy(), text.test.numpy(), len(text.words), order=5).mean())


run = experiment(Config, setup, conclude)
main = run.main


if __name__ == "__main__":
    cli.main(main)
