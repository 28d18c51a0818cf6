"""The rows of docs/evidence.md: what is trained, with how many seeds, and the figure that is reported."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EvidenceRow:
    """One figure and how to get it: a command line, run with the seeds 0, 1, ...

    `group` is the section of the table, `what` says the row in words, `flags` follow `python -m experiments.<name>`.
    `metric` is one of the result's, the higher the better unless `lower_is_better`. `note` is for the reader: what was
    tried where a published figure is not reached, say.
    """

    name: str
    group: str
    what: str
    experiment: str
    flags: str
    metric: str
    seeds: int
    lower_is_better: bool = False
    note: str = ""


@dataclass(frozen=True)
class Group:
    """A section: its title, what its figures are, where the data come from, and what else a reader should know."""

    title: str
    figure: str
    data: str
    note: str = ""


_ALIKE = (
    "All rows are trained alike, 4,000 steps of 32 fresh sequences with Adam at 0.004, and none was tuned: what "
    "differs is the cell and how its recurrent weights start"
)


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
    "adding": Group(
        "Memory: the sum of two marked numbers among 200",
        "mean squared error on 2,000 test sequences",
        "generated from seeds",
        _ALIKE,
    ),
    "copying": Group(
        "Memory: ten symbols, to say again after 100 steps",
        "cross-entropy in nats a step on 2,000 test sequences",
        "generated from seeds",
        _ALIKE,
    ),
    "temporal-order": Group(
        "Memory: in which order came two symbols among 100 to 110?",
        "cross-entropy in nats a sequence on 2,000 test sequences",
        "generated from seeds",
        _ALIKE,
    ),
    "reber": Group(
        "Memory: embedded Reber strings",
        "cross-entropy in nats a symbol above the best possible net's, on 2,000 test strings",
        "generated from seeds",
        _ALIKE,
    ),
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
}


def _memory(task: str, combinations: list[tuple[str, str]], metric: str, seeds: int = 5) -> list[EvidenceRow]:
    """Rows of one task of `memory`, by cell and initialisation, and one of a net whose recurrence is cut."""
    rows = []
    for cell, init in combinations:
        flags = f"--task {task} --cell {cell} --init {init}"
        what = f"{cell.upper()}, {init}"
        rows.append(EvidenceRow(f"{task}-{cell}-{init}", task, what, "memory", flags, metric, seeds, True))
    flags = f"--task {task} --cut-recurrence"
    rows.append(EvidenceRow(f"{task}-cut", task, "LSTM, its recurrence cut", "memory", flags, metric, seeds, True))
    return rows


GATED = ("default", "orthogonal", "identity", "forget-bias", "chrono")
ALL = [("lstm", i) for i in GATED] + [("gru", i) for i in GATED]
ALL += [("rnn", i) for i in ("default", "orthogonal", "identity")]
LSTMS = [("lstm", i) for i in ("default", "forget-bias", "chrono")]

BETTER_SENTIMENT = (
    "--bidirectional --pool joined --embedding-size 64 --least-count 3 --word-dropout 0.3 --head-dropout 0.5 "
    "--order bucketed --schedule one-cycle --learning-rate 0.005 --epochs 5 --keep best"
)

ROWS = [
    EvidenceRow("digits", "digits", "GRU, both directions", "digits", "", "metric/accuracy/test", 5),
    EvidenceRow("imdb", "sentiment", "LSTM, the book's setting", "sentiment", "", "metric/accuracy/test", 5),
    EvidenceRow(
        "imdb-both",
        "sentiment",
        "LSTM in both directions, the book's setting",
        "sentiment",
        "--bidirectional --learning-rate 0.002",
        "metric/accuracy/test",
        3,
    ),
    EvidenceRow(
        "imdb-better",
        "sentiment",
        "a better setting, the best of 4 by validation accuracy",
        "sentiment",
        BETTER_SENTIMENT,
        "metric/accuracy/test",
        3,
    ),
    EvidenceRow(
        "island",
        "char_lm",
        "LSTM of 512, chunks of 40, 2,000 steps",
        "char_lm",
        "--text island",
        "metric/bits_per_character/test",
        3,
        True,
    ),
    EvidenceRow(
        "island-streams",
        "char_lm",
        "the same read in order, the state carried",
        "char_lm",
        "--text island --reading streams --steps 100 --clip 1 --learning-rate 0.002",
        "metric/bits_per_character/test",
        3,
        True,
    ),
    EvidenceRow("ptb", "word_lm", "LSTM of 2 x 200, no dropout", "word_lm", "", "metric/perplexity/test", 3, True),
    *_memory("adding", ALL, "metric/loss/test"),
    *_memory("copying", ALL, "metric/loss/test"),
    *_memory("temporal-order", LSTMS, "metric/loss/test"),
    *_memory("reber", LSTMS, "metric/excess/test"),
    EvidenceRow(
        "ewt", "tagging", "LSTM over words and letters, both directions", "tagging", "", "metric/accuracy/test", 5
    ),
    EvidenceRow(
        "ewt-words", "tagging", "the same by words alone", "tagging", "--reader-size 0", "metric/accuracy/test", 5
    ),
    EvidenceRow(
        "source",
        "source",
        "LSTM over characters, both directions",
        "tagging",
        "--data python",
        "metric/accuracy/test",
        5,
    ),
    *(
        EvidenceRow(
            f"jsb-{cell}",
            "music",
            f"{cell.upper()} of 2 x 200",
            "music",
            f"--cell {cell}",
            "metric/nats_per_step/test",
            5,
            True,
        )
        for cell in ("lstm", "gru", "rnn")
    ),
    *(
        EvidenceRow(
            f"mnist-{order}-{name}",
            "pixels",
            f"{what}, {order}",
            "pixels",
            f"--order {order} {flags}",
            "metric/accuracy/test",
            5,
        )
        for order in ("sequential", "permuted")
        for name, what, flags in (
            ("gru", "GRU", "--cell gru"),
            ("lstm", "LSTM", "--cell lstm"),
            ("lstm-chrono", "LSTM, chrono", "--cell lstm --init chrono"),
        )
    ),
]
