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
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

import rnnkit
from rnnkit.core import cli
from rnnkit.core.config import BaseConfig
from rnnkit.core.errors import UserError
from rnnkit.runs import printing, tracking


@dataclass(frozen=True, kw_only=True)
class Config(BaseConfig):
    """Settings of one run."""

    experiment: ClassVar[str] = "sentiment"

    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    """Recurrent cell."""
    depth: int = 1
    """Recurrent layers, one on top of the other."""
    bidirectional: bool = False
    """Read each review from both ends."""
    learning_rate: float = 0.001
    """The optimizer's learning rate, at its peak where there is a schedule."""
    schedule: Literal["one-cycle", "cosine", "constant"] = "constant"
    """How the learning rate goes: up and down again, down along a cosine, or nowhere."""
    clip: float = 0.0
    """Scale gradients down to this norm where theirs is larger; 0 for never."""
    epochs: int = 10
    """Passes over the training data."""
    keep: Literal["best", "last"] = "last"
    """Which weights to end with: those of the best evaluation, or the last ones."""
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


def run(config: Config, report=None) -> "rnnkit.runs.result.Result":
    """Train one net and test it. `report(evaluation, validation accuracy)` may raise `rnnkit.training.Pruned`."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    from rnnkit import sequences
    from rnnkit.core import seeding
    from rnnkit.diagnostics import probe
    from rnnkit.evaluation.comparison import compare
    from rnnkit.evaluation.metrics import classification
    from rnnkit.nn import models
    from rnnkit.runs.result import reference
    from rnnkit.sequences import vocabulary
    from rnnkit.training import loop

    device = loop.prepare(config)
    reviews = load(config.data, config.data_dir)
    train, valid, test, known = numbered(config.data, config.data_dir, config.least_count)

    with tracking.start(config, data={Path(config.data).stem: reviews.sha256}) as run:
        lengths = torch.tensor([len(words) for words in train.inputs])
        model = models.classifier(
            config,
            config.embedding_size,
            1,
            int(lengths.max()),
            vocabulary=known,
            pool=config.pool,
            head_size=config.head_size,
            head_dropout=config.head_dropout,
        ).to(device)
        monitored = probe.examples(
            model,
            valid,
            device,
            lambda given, targets: binary_cross_entropy_with_logits(given[:, 0], targets.float(), reduction="none"),
        )

        orders = {
            "shuffled": lambda epoch: sequences.epoch_order(len(train), config.seed, epoch).split(config.batch_size),
            "bucketed": lambda epoch: sequences.bucketed_order(lengths, config.batch_size, config.seed, epoch),
        }
        shares = {}
        if config.order == "bucketed":
            shares = {name: sequences.padding(lengths, order(0)).share for name, order in orders.items()}
            print(
                f"batches of like length: {shares['bucketed']:.1%} of a padded batch would be padding, "
                f"{shares['shuffled']:.1%} in batches at random"
            )

        def batches(epoch):
            order = orders[config.order](epoch)
            noise = seeding.generator(config.seed, "word dropout", epoch)
            for batch in sequences.gathered(train, order):
                words = batch.inputs.data
                if config.word_dropout:
                    words[torch.rand(len(words), generator=noise) < config.word_dropout] = vocabulary.UNKNOWN
                yield batch

        def loss(model, batch, state):
            return binary_cross_entropy_with_logits(model(batch.inputs).squeeze(1), batch.targets.float()), None

        def evaluated(examples, split):
            # In the order of their lengths: less padding to compute, and the same scores.
            order = torch.tensor([len(words) for words in examples.inputs]).argsort(stable=True).split(64)
            outputs, targets = loop.scores(model, sequences.gathered(examples, order), device)
            predicted = (outputs.squeeze(1) > 0).long()
            found = {f"metric/{n}/{split}": v for n, v in classification(targets, predicted).items()}
            loss = binary_cross_entropy_with_logits(outputs.squeeze(1), targets.float()).item()
            right = torch.empty(len(examples), dtype=torch.bool)
            right[torch.cat(order)] = predicted == targets
            return {f"loss/{split}": loss, **found}, right.numpy()

        def evaluate():
            row, _ = evaluated(valid, "valid")
            return row

        loop.fit(
            model,
            config,
            run,
            batches=batches,
            steps_per_epoch=-(-len(train) // config.batch_size),
            loss=loss,
            evaluate=evaluate,
            watch="metric/accuracy/valid",
            probe=monitored,
            report=report,
        )

        final, right = evaluated(test, "test")
        theirs = {name: baseline(config.data, config.data_dir, name) for name in BASELINES}
        theirs = {name: found for name, found in theirs.items() if found is not None}
        references = [reference(name, "accuracy", found.mean()) for name, found in theirs.items()]
        if is_the_books(config):
            what = f"{'bidirectional ' * config.bidirectional}LSTM of the book's chapter 15, one run"
            references.append(reference(what, "accuracy", PUBLISHED[config.bidirectional], "published"))
        padded = {f"padding/{name}": share for name, share in shares.items()}
        comparison = None
        if theirs:  # which one is fixed beforehand: the last, on words and pairs
            name = list(theirs)[-1]
            comparison = compare(name, right, theirs[name]).as_dict()
        run.finish(model, evaluate() | final | padded, comparison=comparison, references=references)
    return run.result


def is_the_books(config: Config) -> bool:
    """Whether data and settings are the book's, in one direction or both; seed and whose layers aside."""
    from rnnkit.core.config import settings

    learning_rate = 0.002 if config.bidirectional else 0.001
    book = settings(Config(bidirectional=config.bidirectional, learning_rate=learning_rate))
    apart = (
        "seed",
        "layers",
        "device",
        "evaluate_every",
        "observe",
        "observe_every",
    )  # with the last weights kept, evaluations change nothing
    return all(book[name] == value for name, value in settings(config).items() if name not in apart)


def load(data: str, data_dir: Path | None) -> "rnnkit.datasets.formats.labelled_text.LabelledTexts":
    """The reviews of a name or a path."""
    from rnnkit.datasets import imdb
    from rnnkit.datasets.formats import labelled_text
    from rnnkit.datasets.generated import made_reviews

    if data == "imdb":
        return imdb.load(data_dir)
    return made_reviews.load() if data == "made" else labelled_text.read_table(Path(data))


@functools.lru_cache(maxsize=2)  # the trials of a sweep share them
def numbered(data: str, data_dir: Path | None, least_count: int):
    """Training, validation and test part as numbers of words, and how many words there are.

    The vocabulary is that of the training part. A review in which no word is left reads as one unknown word.
    """
    import torch

    from rnnkit import sequences
    from rnnkit.sequences import vocabulary

    reviews = load(data, data_dir)
    parts = (reviews.train, reviews.valid, reviews.test)
    # Interned, a word is in memory once, not once for each of its 12 million places.
    texts = [[[sys.intern(word) for word in vocabulary.words(text)] for text in part.texts] for part in parts]
    known = vocabulary.build(texts[0], least_count)
    examples = [
        sequences.Examples(
            [torch.tensor(known.ids(words) or [vocabulary.UNKNOWN]) for words in part_texts],
            torch.tensor(part.targets),
        )
        for part, part_texts in zip(parts, texts, strict=True)
    ]
    for part in examples:
        sequences.check(part, vocabulary=len(known), classes=len(reviews.labels))
    return *examples, len(known)


BASELINES = {
    "TF-IDF + logistic regression": ({}, {"C": 1.0}),
    "TF-IDF of words and pairs + logistic regression": (
        {"ngram_range": (1, 2), "sublinear_tf": True, "min_df": 2},
        {"C": 10.0},
    ),
}


@functools.cache
def baseline(data: str, data_dir: Path | None, name: str):
    """Which test reviews a logistic regression on TF-IDF of words labels rightly, of shape (examples,).

    It learns from the training and the validation part together, as it needs no validation. None, and a printed word,
    where the texts have no words that it could count.
    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    reviews = load(data, data_dir)
    features, options = BASELINES[name]
    regression = make_pipeline(TfidfVectorizer(**features), LogisticRegression(max_iter=1_000, **options))
    try:
        regression.fit(reviews.train.texts + reviews.valid.texts, reviews.train.targets + reviews.valid.targets)
    except ValueError as error:
        print(f"{name} is left out: {error}")
        return None
    return regression.predict(reviews.test.texts) == np.array(reviews.test.targets)


def main() -> None:
    """Run with the settings of the command line, and say what came out."""
    config = cli.parse(Config, "python -m experiments.sentiment", sys.argv[1:], __doc__)
    result = run(config)
    printing.print_result(result)
    if result.comparison:
        print("  (the logistic regressions learned from the training and the validation part together)")
    if result.status == "diverged":
        sys.exit(1)


if __name__ == "__main__":
    cli.main(main)
