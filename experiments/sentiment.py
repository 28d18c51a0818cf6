"""Sentiment of film reviews, read word by word at full length: an LSTM on packed sequences, in one direction or both.

    python -m experiments.sentiment                                             # IMDb, the setting of the book
    python -m experiments.sentiment --bidirectional --learning-rate 0.002       # and its bidirectional one
    python -m experiments.sentiment --data made --epochs 5                      # generated reviews, no download
    python -m experiments.sentiment --data my_reviews.csv                       # columns text and label

The defaults are those of Raschka, Liu & Mirjalili, Machine Learning with PyTorch and Scikit-Learn (2022), chapter 15:
embedding 20, LSTM 64, a layer of 64 on its last state, Adam, 10 epochs, batches of 32 in random order, every review at
full length (mean 238 words, longest 2,498). Beside it stands what logistic regressions on TF-IDF reach, which learn
from the training and the validation part together; compared example by example is the one on words and pairs.
"""

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from rnnkit.core import BaseConfig, UserError, cli, defaults, settings
from rnnkit.datasets import Parts, imdb
from rnnkit.datasets.formats import labelled_text
from rnnkit.datasets.generated import made_reviews
from rnnkit.evaluation import compare, text_regression
from rnnkit.runs import Reference, ReferenceKind, Result
from rnnkit.training import Final, Objective, Space, Task, experiment, studied, tuned


if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import torch

    from rnnkit.sequences import Examples, Preprocessing


@dataclass(frozen=True, kw_only=True)
@defaults(cell="lstm", depth=1, learning_rate=0.001, schedule="constant", clip=0.0, epochs=10, keep="last")
class Config(BaseConfig):
    """Settings of one run."""

    experiment: ClassVar[str] = "sentiment"

    bidirectional: bool = False
    """Read each review from both ends."""
    data: str = "imdb"
    """The reviews: imdb, made (by a small grammar, no download), or the path of a table with columns text and label."""
    embedding_size: int = 20
    """Numbers that stand for a word."""
    least_count: int = 1
    """Words that occur less often in the training part all count as one unknown word."""
    pool: Literal["last", "mean", "max", "attention", "joined"] = "last"
    """What becomes of the states: the last one, a pooling over all steps, or last, maximum and mean joined."""
    head_size: int = 64
    """Units between the pooled state and the score; 0 for none."""
    head_dropout: float = 0.0
    """Share of the pooled state's units dropped in training."""
    word_dropout: float = 0.0
    """Share of words read as unknown in training."""
    order: Literal["shuffled", "bucketed"] = "shuffled"
    """Batches at random, or of reviews of like length, which takes less time."""

    def __post_init__(self):
        super().__post_init__()
        self._require_counts("embedding_size", "least_count")
        self._require_counts("head_size", least=0)
        for name in ("head_dropout", "word_dropout"):
            self._require(name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        if self.data not in ("imdb", "made") and not Path(self.data).suffix:
            raise UserError(f"--data must be imdb, made, or the path of a .csv file, not {self.data}")


# What the book reports (results of its printed notebook, one run each).
PUBLISHED = {False: 0.8598, True: 0.8566}

OBJECTIVE = Objective("metric/accuracy/valid")

START = {"cell": "lstm", "bidirectional": False, "learning_rate": 1e-3, "clip": 4.0}
SPACE = Space((16, 32, 64), (1, 2), studied((16, 128), 2), tuned((5e-4, 1e-2), (0.25, 16.0)), START)


def setup(config: Config, device: "torch.device") -> "Task[Reviews]":
    """The net, its batches and its loss, from the settings."""
    from rnnkit.nn import models
    from rnnkit.training import tasks

    data = numbered(config.data, config.data_dir, config.least_count)
    sizes = config.embedding_size, 1, int(data.train.lengths.max())
    head: dict[str, Any] = {"pool": config.pool, "head_size": config.head_size, "head_dropout": config.head_dropout}
    model = models.classifier(config, *sizes, vocabulary=len(data.preprocessing.vocabulary), **head).to(device)
    if config.order == "bucketed":
        shares = padding(config, data.train)
        print(
            f"batches of like length: {shares['bucketed']:.1%} of a padded batch would be padding, "
            f"{shares['shuffled']:.1%} in batches at random"
        )

    order = functools.partial(order_of, config.order, config, data.train.lengths)
    name, dropped = Path(config.data).stem, config.word_dropout
    return tasks.on_examples(config, OBJECTIVE, model, data, name, measured, cost_by(config.bits), order, dropped)


def conclude(config: Config, task: "Task[Reviews]") -> Final:
    """Test the best weights, beside the baselines and the book's figure."""
    metrics, right = measured(task.model, task.data.test, "test")
    every = {name: baseline(config.data, config.data_dir, name) for name in BASELINES}
    theirs = {name: answers for name, answers in every.items() if answers is not None}
    references = [Reference(name, "accuracy", answers.mean()) for name, answers in theirs.items()]
    if is_the_books(config):
        what = f"{'bidirectional ' * config.bidirectional}LSTM of the book's chapter 15, one run"
        references.append(Reference(what, "accuracy", PUBLISHED[config.bidirectional], ReferenceKind.PUBLISHED))
    name = next(reversed(theirs), None)  # which one is fixed beforehand: the last, on words and pairs
    comparison = compare(name, right, theirs[name]) if name else None
    if config.order == "bucketed":
        metrics |= {f"padding/{name}": share for name, share in padding(config, task.data.train).items()}
    return Final(task.evaluate() | metrics, comparison, references, preprocessing=task.data.preprocessing)


def cost_by(bits: str) -> "Callable[..., torch.Tensor]":
    """The cross-entropy of scores, of shape (reviews, 1): how likely each is positive."""
    from rnnkit.nn import portable

    def cost(scores, targets, reduction="mean"):
        return losses.binary_cross_entropy_with_logits(scores.squeeze(1), targets.float(), reduction=reduction)

    losses = portable.losses(bits)
    return cost


def measured(model: "torch.nn.Module", examples: "Examples", split: str) -> "tuple[dict[str, float], np.ndarray]":
    """Scores of a part, and which of its reviews are judged rightly, of shape (examples,)."""
    from rnnkit.training import tasks

    # In the order of their lengths: less padding to compute, and the same scores.
    order = examples.lengths.argsort(stable=True).split(64)
    return tasks.classified(
        model, examples, split, cost_by("portable"), lambda scores: (scores.squeeze(1) > 0).long(), order
    )


def order_of(name: str, config: Config, lengths: "torch.Tensor", epoch: int) -> "Sequence[torch.Tensor]":
    """The reviews of each batch of an epoch: shuffled, or bucketed by length."""
    from rnnkit import sequences

    if name == "bucketed":
        return sequences.bucketed_order(lengths, config.batch_size, config.seed, epoch)
    return sequences.epoch_order(len(lengths), config.seed, epoch).split(config.batch_size)


def padding(config: Config, train: "Examples") -> dict[str, float]:
    """The share of a padded batch that would be padding, for each order of batches."""
    from rnnkit import sequences

    lengths, names = train.lengths, ("shuffled", "bucketed")
    return {name: sequences.padding(lengths, order_of(name, config, lengths, 0)).share for name in names}


def is_the_books(config: Config) -> bool:
    """Whether data and settings are the book's, in one direction or both; seed and whose layers aside."""
    learning_rate = 0.002 if config.bidirectional else 0.001
    book = settings(Config(bidirectional=config.bidirectional, learning_rate=learning_rate))
    # With the last weights kept, evaluations change nothing.
    apart = ("seed", "layers", "device", "evaluate_every", "observe", "observe_every")
    return all(book[name] == value for name, value in settings(config).items() if name not in apart)


def load(data: str, data_dir: Path | None) -> labelled_text.LabelledTexts:
    """The reviews of a name or a path."""
    if data == "imdb":
        return imdb.load(data_dir)
    return made_reviews.load() if data == "made" else labelled_text.read_table(Path(data))


@dataclass(frozen=True)
class Reviews(Parts["Examples"]):
    """The parts as numbers of words, and how a review becomes them."""

    preprocessing: "Preprocessing"


@functools.lru_cache(maxsize=2)  # the trials of a sweep share them
def numbered(data: str, data_dir: Path | None, least_count: int) -> Reviews:
    """The reviews as numbers of words.

    The vocabulary is that of the training part. A review in which no word is left reads as one unknown word.
    """
    import torch

    from rnnkit import sequences
    from rnnkit.sequences import vocabulary

    reviews = load(data, data_dir)
    # Interned, a word is in memory once, not once for each of its 12 million places.
    texts = [[[sys.intern(word) for word in vocabulary.words(text)] for text in part.texts] for part in reviews]
    known = vocabulary.build(texts[0], least_count)
    examples: list[sequences.Examples] = []
    for part, part_texts in zip(reviews, texts, strict=True):
        ids = [torch.tensor(known.ids(words) or [vocabulary.UNKNOWN], device="cpu") for words in part_texts]
        examples.append(sequences.Examples(ids, torch.tensor(part.targets, device="cpu")))
        sequences.check(examples[-1], vocabulary=len(known), classes=len(reviews.labels))
    kept = sequences.Preprocessing("words", "label", vocabulary=known.words, classes=reviews.labels)
    return Reviews(*examples, sha256=reviews.sha256, preprocessing=kept)


_PAIRS: dict[str, Any] = {"ngram_range": (1, 2), "sublinear_tf": True, "min_df": 2, "c": 10.0}
BASELINES = {"TF-IDF + logistic regression": {}, "TF-IDF of words and pairs + logistic regression": _PAIRS}


@functools.cache
def baseline(data: str, data_dir: Path | None, name: str) -> "np.ndarray | None":
    """Which test reviews a logistic regression on TF-IDF of words labels rightly, of shape (examples,).

    It learns from the training and the validation part together, as it needs no validation. None, and a printed word,
    where the texts have no words that it could count.
    """
    reviews = load(data, data_dir)
    texts, targets = reviews.train.texts + reviews.valid.texts, reviews.train.targets + reviews.valid.targets
    try:
        return text_regression(texts, targets, reviews.test.texts, **BASELINES[name]) == reviews.test.targets
    except ValueError as error:
        print(f"{name} is left out: {error}")
        return None


def remarks(config: Config, result: Result) -> list[str]:
    """What a reader has to know of the comparison."""
    words = "  (the logistic regressions learned from the training and the validation part together)"
    return [words] if result.comparison else []


run = experiment(Config, setup, conclude, remarks=remarks)
main = run.main


if __name__ == "__main__":
    cli.main(main)
