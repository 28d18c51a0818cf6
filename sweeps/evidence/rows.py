"""The rows of docs/evidence.md: what is trained, with how many seeds, and the figure that is reported."""

from dataclasses import dataclass, replace

from rnnkit import evaluation
from rnnkit.core import cells
from sweeps.evidence.cells import COLUMNS, PARAMETERS, SEEDS


@dataclass(frozen=True)
class EvidenceRow:
    """One figure and how to get it: a command line, run with the seeds 0, 1, ...

    `group` is the section of the table, `what` says the row in words, `flags` follow `python -m experiments.<name>`.
    `metric` is one of the result's. `note` is for the reader: what was tried where a published figure is not reached.
    `column` is where the row's figure stands in a section that is one table, a line for each `what`.
    """

    name: str
    group: str
    what: str
    experiment: str
    flags: str
    metric: str
    seeds: int
    note: str = ""
    column: str = ""

    @property
    def lower_is_better(self) -> bool:
        """Of the metric."""
        return evaluation.metric(self.metric).direction is evaluation.Direction.MINIMIZE


@dataclass(frozen=True)
class Group:
    """A section: its title, what its figures are, where the data come from, and what else a reader should know.

    `commands` give its runs, where those of its rows are not to be listed.
    """

    title: str
    figure: str
    data: str
    note: str = ""
    commands: tuple[str, ...] = ()


_ALIKE = (
    "All rows are trained alike, 4,000 steps of 32 fresh sequences with Adam at 0.004, and none was tuned: what "
    "differs is the cell and how its recurrent weights start, but for rows that say more"
)


_ORDER = "in which order came two symbols among 100 to 110?"
_EXCESS = "cross-entropy in nats a symbol above the best possible net's,"

GROUPS = {
    "digits": Group(
        "Digits as sequences of inked pixels", "accuracy on the test part", "handwritten digits of scikit-learn"
    ),
    "sentiment": Group(
        "Film reviews",
        "accuracy on the 25,000 test reviews",
        "IMDb (Maas et al., 2011), full length; training and validation as in Raschka, Liu & Mirjalili, Machine "
        "Learning with PyTorch and Scikit-Learn (2022), chapter 15",
    ),
    "char_lm": Group(
        "Characters of a novel",
        "bits per character of the last 5 % of the text, in the order of the text, the state carried",
        "The Mysterious Island (Project Gutenberg)",
    ),
    "word_lm": Group(
        "Words of a newspaper",
        "perplexity of the whole test part, line ends included, the state carried",
        "Penn Treebank as prepared by Mikolov",
    ),
    **{
        task: Group(f"Memory: {title}", f"{figure} on 2,000 test {of}", "generated from seeds", _ALIKE)
        for task, title, figure, of in (
            ("adding", "the sum of two marked numbers among 200", "mean squared error", "sequences"),
            ("copying", "ten symbols, to say again after 100 steps", "cross-entropy in nats a step", "sequences"),
            ("temporal-order", _ORDER, "cross-entropy in nats a sequence", "sequences"),
            ("reber", "embedded Reber strings", _EXCESS, "strings"),
        )
    },
    "tagging": Group(
        "Parts of speech",
        "accuracy on all words of the test part, gold tokens, no pretrained vectors",
        "Universal Dependencies English Web Treebank 2.8, universal tags",
        "The published figures that are not reached start from vectors learned on far more text; of nets without such "
        "vectors none is known for this version of the data",
    ),
    "source": Group(
        "Kinds of tokens in Python source",
        "accuracy on all characters of the test part",
        "Python's own library: differs by Python version, so this is no row to compare with elsewhere",
    ),
    "music": Group(
        "Bach's chorales",
        "negative log-likelihood of 88 keys in nats a step, mean over all steps of the test part",
        "JSB chorales, split of Boulanger-Lewandowski et al. (2012)",
    ),
    "pixels": Group(
        "Images pixel by pixel",
        "accuracy on 1,000 test images",
        "2,000 images of MNIST to train with, of 60,000; 784 steps of one pixel",
        "The published figures are of nets that saw 30 times as many images. The full run, `--train-size 0 --test-size "
        "0`, takes a GPU; it was not made. From torch's initial weights an LSTM learns nothing of images read in their "
        "order; with chrono initialisation it comes near the logistic regression. No net here learns permuted images "
        "well from so few",
    ),
    "cells": Group(
        f"All cells at {PARAMETERS:,} parameters",
        f"mean on the test part over {SEEDS} seeds, and its 95 % interval",
        "as above; the first four tasks are generated from seeds",
        "All cells of a column are trained alike, for 200 steps (chorales 8 epochs, digits 6) from their usual start, "
        "and none was tuned. A cell that is linear in its state has two layers, all others one",
        (
            *(command for column in COLUMNS for command in column.commands()),
            "python -m sweeps.evidence --row cells --runs-dir runs    # takes their runs into this page",
        ),
    ),
}


ANY, GATED = ("default", "orthogonal", "identity"), ("forget-bias", "chrono")  # ways to start that fit a cell
STANDARD = tuple(reversed(cells.standard()))
ALL = [(cell, i) for cell in STANDARD for i in (*ANY, *(GATED if cells.facts(cell).keeps else ()))]
LSTMS = [("lstm", i) for i in ("default", "forget-bias", "chrono")]


def _memory(task: str, combinations: list[tuple[str, str]], metric: str = "metric/loss/test") -> list[EvidenceRow]:
    """Rows of one task of `memory`, by cell and initialisation, and one of a net whose recurrence is cut."""
    nets = [(f"{c}-{i}", f"{c.upper()}, {i}", f"--task {task} --cell {c} --init {i}") for c, i in combinations]
    nets.append(("cut", "LSTM, its recurrence cut", f"--task {task} --cut-recurrence"))
    return [EvidenceRow(f"{task}-{name}", task, what, "memory", flags, metric, 5) for name, what, flags in nets]


def _row(name: str, experiment: str, what: str, flags: str, metric: str = "accuracy", seeds: int = 5) -> EvidenceRow:
    """A row in the section of its experiment."""
    return EvidenceRow(name, experiment, what, experiment, flags, f"metric/{metric}/test", seeds)


STREAMS = "--text island --reading streams --steps 100 --clip 1 --learning-rate 0.002"
BETTER = (
    "--bidirectional --pool joined --embedding-size 64 --least-count 3 --word-dropout 0.3 --head-dropout 0.5 "
    "--order bucketed --schedule one-cycle --learning-rate 0.005 --epochs 5 --keep best"
)
TWO_LRU = "--task copying --cell lru --depth 2"
BOTH = "--bidirectional --learning-rate 0.002"
PIXELS = [(cell, cell.upper(), f"--cell {cell}") for cell in cells.gated()]
PIXELS.append(("lstm-chrono", "LSTM, chrono", "--cell lstm --init chrono"))

ROWS = [
    _row("digits", "digits", "GRU, both directions", ""),
    _row("imdb", "sentiment", "LSTM, the book's setting", ""),
    _row("imdb-both", "sentiment", "LSTM in both directions, the book's setting", BOTH, seeds=3),
    _row("imdb-better", "sentiment", "a better setting, the best of 4 by validation accuracy", BETTER, seeds=3),
    _row("island", "char_lm", "LSTM of 512, chunks of 40, 2,000 steps", "--text island", "bits_per_character", 3),
    _row("island-streams", "char_lm", "the same read in order, the state carried", STREAMS, "bits_per_character", 3),
    _row("ptb", "word_lm", "LSTM of 2 x 200, no dropout", "", "perplexity", 3),
    *_memory("adding", ALL),
    *_memory("copying", ALL),
    EvidenceRow("copying-lru", "copying", "LRU of two layers", "memory", TWO_LRU, "metric/loss/test", 5),
    *_memory("temporal-order", LSTMS),
    *_memory("reber", LSTMS, "metric/excess/test"),
    _row("ewt", "tagging", "LSTM over words and letters, both directions", ""),
    _row("ewt-words", "tagging", "the same by words alone", "--reader-size 0"),
    replace(_row("source", "tagging", "LSTM over characters, both directions", "--data python"), group="source"),
    *(
        _row(f"jsb-{cell}", "music", f"{cell.upper()} of 2 x 200", f"--cell {cell}", "nats_per_step")
        for cell in STANDARD
    ),
    *(
        _row(f"mnist-{order}-{name}", "pixels", f"{what}, {order}", f"--order {order} {flags}")
        for order in ("sequential", "permuted")
        for name, what, flags in PIXELS
    ),
    *(
        EvidenceRow(
            f"cells-{column.task}-{cell}",
            *("cells", f"`{cell}`", column.experiment, column.row_flags(cell), column.metric, SEEDS),
            column=column.head,
        )
        for column in COLUMNS
        for cell in column.units
    ),
]
