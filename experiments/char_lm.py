"""A character model of a text: which symbol comes next, and texts written by it.

    python -m experiments.char_lm                                        # documentation that comes with Python
    python -m experiments.char_lm --text island                          # The Mysterious Island, the book's setting
    python -m experiments.char_lm --text island --reading streams --steps 100 --clip 1 --learning-rate 0.002
    python -m experiments.char_lm --text my_notes.txt
    python -m experiments.sample RUN --prompt "The island"               # then let it write

The defaults are the setting of Raschka, Liu & Mirjalili, Machine Learning with PyTorch and Scikit-Learn (2022), chapter
15: embedding 256, LSTM 512, Adam; batches of 64 chunks of 40 symbols that start anywhere, each from a zero state. With
`--reading streams` the text is read in order instead, 64 places side by side, the state carried from one chunk to the
next: truncated backpropagation through time. Unlike the book's, the last tenth of the text is not trained on: half of
it is for validation, half for the test. Which symbols there are is taken from the whole text. Beside the result stands
what counts of 6 symbols give.
"""

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from rnnkit.core import BaseConfig, UserError, cli, defaults
from rnnkit.datasets import Parts, texts
from rnnkit.datasets.formats import text_file
from rnnkit.evaluation import ngram
from rnnkit.runs import Reference, ReferenceKind, Result, Status, read_rows
from rnnkit.training import Final, Objective, Space, Task, experiment, studied, tuned


if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
@defaults(cell="lstm", depth=1, learning_rate=0.005, schedule="constant", clip=0.0, keep="last")
class Config(BaseConfig):
    """Settings of one run."""

    experiment: ClassVar[str] = "char_lm"
    needs: ClassVar = {**BaseConfig.needs, "round": {"reading": lambda reading: reading == "chunks"}}

    hidden_size: int = 512
    """Units in each layer."""
    bidirectional: bool = False
    """Must stay off: a net that reads backwards has seen what comes next."""
    batch_size: int = 64
    """Chunks in a batch, or places read side by side."""
    epochs: int = 5
    """Rounds of `--round` batches; with --reading streams, passes over the text."""
    text: str = "python"
    """The text: python (comes with Python), island, shakespeare, or the path of a text file."""
    reading: Literal["chunks", "streams"] = "chunks"
    """Chunks from anywhere, each from a zero state; or the text in order, with the state carried along."""
    steps: int = 40
    """Symbols in a chunk: how far gradients go back through time."""
    round: int = 500
    """Batches in a round, with --reading chunks."""
    embedding_size: int = 256
    """Numbers that stand for a symbol."""
    tied: bool = False
    """Score symbols with the embedding's weights; needs embedding and hidden size alike."""

    def __post_init__(self):
        super().__post_init__()
        self._require_counts("steps", "round", "embedding_size")
        if self.bidirectional:
            raise UserError("--bidirectional: a net that reads backwards has seen what comes next; leave it out")
        if self.tied and self.embedding_size != self.hidden_size:
            raise UserError(f"--tied needs --embedding-size {self.hidden_size}, as large as --hidden-size")
        if self.text not in TEXTS and not Path(self.text).suffix:
            raise UserError(f"--text must be {', '.join(TEXTS)}, or the path of a .txt file, not {self.text}")


TEXTS = ("python", "island", "shakespeare")

# Losses on other splits, and in the book's case single batches: beside ours, not to be subtracted from it.
PUBLISHED = {"shakespeare": [("torch-rnn, 3 x 800 LSTM, on its own validation part", 1.6292 / math.log(2))]}

OBJECTIVE = Objective("metric/bits_per_character/valid")

START = {"cell": "lstm", "learning_rate": 5e-3, "clip": 4.0}
SPACE = Space((64, 128, 256), (1, 2), studied((32, 512), 2, both=False), tuned((1e-3, 2e-2), (0.25, 16.0)), START)


@dataclass(frozen=True)
class Numbered(Parts["torch.Tensor"]):
    """The parts of a text as places in `symbols`, those of all of it."""

    symbols: list[str]


def setup(config: Config, device: "torch.device") -> Task[Numbered]:
    """The net, its batches and its loss, from the settings."""
    import torch

    from rnnkit.nn import models
    from rnnkit.sequences import bptt_chunks
    from rnnkit.training import tasks

    source = load(config.text, config.data_dir)
    symbols = sorted(set(source.text))
    train, valid, test = parts(source.text, config)
    places = {symbol: place for place, symbol in enumerate(symbols)}
    ids = (torch.tensor([places[symbol] for symbol in part], device="cpu") for part in (train, valid, test))
    data = Numbered(*ids, sha256=source.sha256, symbols=symbols)
    unseen = len(symbols) - len(set(train))
    print(f"{len(symbols)} symbols, those of the whole text: {unseen} of them come in its last tenth alone")
    model = models.language_model(config, len(symbols), config.embedding_size, config.steps, tied=config.tied)
    model.to(device)
    if config.reading == "streams":
        left_out = bptt_chunks.left_out(data.train, config.batch_size)
        print(f"{left_out} of {len(data.train):,} symbols are left out of each pass")
    name, round = Path(config.text).stem, config.round if config.reading == "chunks" else 0
    return tasks.on_text(config, OBJECTIVE, model, data, name, config.steps, measured, round)


def conclude(config: Config, task: Task[Numbered]) -> Final:
    """Test the last weights, beside counts and what was published; keep the symbols with them."""
    from rnnkit.sequences import Preprocessing

    metric, symbols = "bits per character", task.data.symbols
    metrics = measured(task.model, task.data.test, "test")
    train, _, test = parts(load(config.text, config.data_dir).text, config)
    references = [Reference("counts of 6 symbols", metric, baseline(train, test, len(symbols)))]
    for what, value in PUBLISHED.get(config.text, []):
        references.append(Reference(what, metric, value, ReferenceKind.PUBLISHED))
    names = tuple(symbols)
    return Final(
        task.evaluate() | metrics,
        references=references,
        keep={"symbols": "".join(symbols)},
        preprocessing=Preprocessing("characters", "next", vocabulary=names, classes=names),
    )


@functools.cache  # the trials of a sweep share it
def load(text: str, data_dir: Path | None) -> text_file.Text:
    """The text of a name or a path."""
    if text == "python":
        return texts.python_docs()
    known = {"island": texts.island, "shakespeare": texts.shakespeare}
    return known[text](data_dir) if text in known else text_file.load(Path(text))


def parts(text: str, config: Config) -> tuple[str, str, str]:
    """The first 90 % to train, then 5 % to validate and 5 % to test. Raises `UserError` for too short a text."""
    cuts = len(text) * 90 // 100, len(text) * 95 // 100
    train, valid, test = text[: cuts[0]], text[cuts[0] : cuts[1]], text[cuts[1] :]
    needed = config.steps + 1 if config.reading == "chunks" else config.batch_size + 1
    if len(train) < needed or len(valid) < 33:
        least = max(651, -(-needed * 100 // 90))  # of 651, 585 are for training and 33 for validation
        raise UserError(
            f"--text {config.text}: {len(text):,} symbols are too few: at least {least:,} are needed (9 in 10 to train "
            f"with, {needed:,} or more; 1 in 20 to validate, 33 or more)"
        )
    return train, valid, test


def bits_per_character(model: "torch.nn.Module", ids: "torch.Tensor") -> float:
    """What the model needs for each symbol of a text after its first, the state carried from beginning to end.

    The log-likelihoods of all symbols are summed up in float64, then divided by their number.
    """
    from rnnkit.nn import portable
    from rnnkit.training import tasks

    def nats(scores, targets):
        return portable.cross_entropy(scores.double(), targets, reduction="sum")

    return tasks.nats_of_text(model, ids, 1_000, nats) / math.log(2) / (len(ids) - 1)


def measured(model: "torch.nn.Module", ids: "torch.Tensor", split: str) -> dict[str, float]:
    """Scores of a part."""
    return {f"metric/bits_per_character/{split}": bits_per_character(model, ids)}


# What counts of 6 symbols of the training part need for each character of the test part but its first, in bits.
baseline = functools.lru_cache(maxsize=2)(ngram.bits_per_character)  # the trials of a sweep share it


# The loss of single batches that the book prints, by iteration: neighbours jump by some 0.05.
BOOK = {
    **{500: 1.3804, 1000: 1.2956, 1500: 1.2816, 2000: 1.1968, 2500: 1.2456, 3000: 1.1763, 3500: 1.1868, 4000: 1.1476},
    **{4500: 1.2118, 5000: 1.2072, 5500: 1.1243, 6000: 1.1637, 6500: 1.1513, 7000: 1.1196, 7500: 1.1439, 8000: 1.1536},
    **{8500: 1.1263, 9000: 1.1597, 9500: 1.1048},
}


def beside_the_book(rows: list[dict]) -> list[str]:
    """The training loss beside the book's, as lines of a table: at its iterations, as far as ours goes.

    The smooth curve is a parabola in the logarithm of the iteration, fitted to the book's points by least squares;
    ours is the mean over 50 iterations before and after.
    """
    import numpy as np

    iterations = np.array(list(BOOK))
    smooth = np.polynomial.Polynomial.fit(np.log(iterations), list(BOOK.values()), 2)
    losses = np.array([row["loss/train"] for row in rows])  # row i is iteration i, counted from 0 as in the book
    lines = ["", "  training loss    the book's batch    smooth through the book's    ours (+-50)    difference"]
    for iteration in iterations[iterations + 50 < len(losses)]:
        ours, theirs = losses[iteration - 50 : iteration + 51].mean(), smooth(np.log(iteration))
        numbers = f"{BOOK[iteration]:16.4f}    {theirs:25.4f}    {ours:11.4f}    {ours - theirs:+10.4f}"
        lines.append(f"  iteration {iteration:>5}    {numbers}")
    return lines


def remarks(config: Config, result: Result) -> list[str]:
    """Our training loss beside the book's, where the setting is the book's."""
    if result.status != Status.FINISHED or config.text != "island" or config.reading != "chunks":
        return []
    return beside_the_book(read_rows(result.folder))


run = experiment(Config, setup, conclude, remarks=remarks)
main = run.main


if __name__ == "__main__":
    cli.main(main)
