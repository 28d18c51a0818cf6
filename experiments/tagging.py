"""Tags for each step of a sequence: parts of speech of English words, or kinds of tokens in Python source.

    python -m experiments.tagging                          # English Web Treebank, universal tags
    python -m experiments.tagging --reader-size 0          # by whole words alone, without reading their letters
    python -m experiments.tagging --data python            # Python's own library, character by character; no download
    python -m experiments.tagging --data mine.conllu       # CoNLL-U with universal tags, gold words

A net reads each sentence from both ends. A word comes in as a vector of its own, whatever its case, joined with the
last states of a small net that reads its letters from both ends (Ling et al., Finding Function in Form, 2015; Plank,
Søgaard & Goldberg, Multilingual Part-of-Speech Tagging, 2016). In training some words are read as unknown, so that the
letters must do: one word in eleven of the test part was never seen. Accuracy counts all words of a part. Beside it
stands the tag that each word has most often in the training part. Python source is read as lines of characters.
"""

import functools
import sys
from collections import Counter, defaultdict
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

    experiment: ClassVar[str] = "tagging"

    cell: Literal["rnn", "gru", "lstm"] = "lstm"
    """Recurrent cell, of the letters too."""
    hidden_size: int = 128
    """Units in each layer and direction."""
    depth: int = 1
    """Recurrent layers over the words, one on top of the other."""
    learning_rate: float = 0.005
    """The optimizer's learning rate, at its peak where there is a schedule."""
    epochs: int = 8
    """Passes over the training data."""
    data: str = "ewt"
    """What to tag: ewt (English words), python (characters of its library), or the path of a .conllu file."""
    embedding_size: int = 64
    """Numbers that stand for a word, or for a character of Python source."""
    least_count: int = 1
    """Words that occur less often in the training part all count as one unknown word."""
    letter_size: int = 32
    """Numbers that stand for a letter of a word."""
    reader_size: int = 48
    """Units that read the letters of a word, in each direction; 0 to leave the letters out."""
    word_dropout: float = 0.2
    """Share of words read as unknown in training."""
    outer_dropout: float = 0.3
    """Share of units dropped before the first layer and after the last; `--dropout` acts between layers alone."""

    def __post_init__(self):
        super().__post_init__()
        self._require_counts("embedding_size", "least_count", "letter_size")
        self._require_counts("reader_size", least=0)
        for name in ("word_dropout", "outer_dropout"):
            self._require(name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        if self.data not in ("ewt", "python") and not Path(self.data).suffix:
            raise UserError(f"--data must be ewt, python, or the path of a .conllu file, not {self.data}")


# Accuracies on the test part of the English Web Treebank that others published. None was trained as ours is.
PUBLISHED = [
    ("UDPipe 2, pretrained contextual vectors (EWT 2.10)", 0.9735),
    ("Stanza 1.3, pretrained vectors, words found by itself (EWT 2.8)", 0.9564),
    ("B. Trevett's biLSTM of words with GloVe vectors (EWT 2.0, mean of batches)", 0.8826),
]


def run(config: Config, report=None) -> "rnnkit.runs.result.Result":
    """Train one net and test it. `report(evaluation, validation accuracy)` may raise `rnnkit.training.Pruned`."""
    import torch
    from torch.nn.functional import cross_entropy

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
    source = load(config.data, config.data_dir)
    data = numbered(config.data, config.data_dir, config.least_count, config.reader_size > 0)

    letters = None
    if data.spellings is not None:
        letters = models.Letters(data.letters, config.letter_size, config.reader_size, data.spellings)

    with tracking.start(config, data={Path(config.data).stem: source.sha256}) as run:
        model = models.tagger(
            config,
            config.embedding_size,
            len(source.names),
            max(map(len, data.train.inputs)),
            vocabulary=data.known,
            letters=letters,
            outer_dropout=config.outer_dropout,
        ).to(device)
        cost = functools.partial(cross_entropy, reduction="none")
        monitored = probe.examples(model, data.valid, device, cost)

        def batches(epoch):
            noise = seeding.generator(config.seed, "word dropout", epoch)
            for batch in sequences.shuffled_batches(data.train, config.batch_size, config.seed, epoch):
                rows = batch.inputs.data
                if config.word_dropout:
                    words = rows if rows.dim() == 1 else rows[:, 0]
                    words[torch.rand(len(words), generator=noise) < config.word_dropout] = vocabulary.UNKNOWN
                yield batch

        def loss(model, batch, state):
            return cross_entropy(model(batch.inputs).data, batch.targets), None

        def evaluated(examples, split):
            predicted, nats = answers(model, examples, device)
            targets = torch.cat(examples.targets)
            found = {f"metric/{n}/{split}": v for n, v in classification(targets, predicted).items()}
            return {f"loss/{split}": nats, **found}, (predicted == targets).numpy()

        def evaluate():
            row, _ = evaluated(data.valid, "valid")
            return row

        loop.fit(
            model,
            config,
            run,
            batches=batches,
            steps_per_epoch=-(-len(data.train) // config.batch_size),
            loss=loss,
            evaluate=evaluate,
            watch="metric/accuracy/valid",
            probe=monitored,
            report=report,
        )

        final, right = evaluated(data.test, "test")
        theirs, new = baseline(config.data, config.data_dir)
        if new.any():
            final["metric/accuracy_on_new_words/test"] = float(right[new].mean())
        run.finish(
            model,
            evaluate() | final,
            comparison=compare(f"most frequent tag of each {unit(config.data)}", right, theirs).as_dict(),
            references=[
                reference(what, "accuracy", value, "published")
                for what, value in (PUBLISHED if config.data == "ewt" else [])
            ],
        )
    return run.result


def load(data: str, data_dir: Path | None) -> "rnnkit.datasets.formats.tagged.Tagged":
    """The sequences and tags of a name or a path."""
    from rnnkit.datasets import python_source, ud_ewt
    from rnnkit.datasets.formats import conllu

    if data == "ewt":
        return ud_ewt.load(data_dir)
    return python_source.load() if data == "python" else conllu.read(Path(data))


def unit(data: str) -> str:
    """What has a tag."""
    return "character" if data == "python" else "word"


def folded(data: str, step: str) -> str:
    """What counts as one word: letters of either case are alike. Characters of source are themselves."""
    return step if data == "python" else step.lower()


@dataclass(frozen=True)
class Numbered:
    """Three parts as numbers, how many words and letters are known, and the letters of each spelling.

    With `spellings` each step is a pair, the number of the word and that of its spelling (`models.Spelled`); without,
    it is the number of the word alone.
    """

    train: "rnnkit.sequences.Examples"
    valid: "rnnkit.sequences.Examples"
    test: "rnnkit.sequences.Examples"
    known: int
    letters: int
    spellings: list | None


@functools.lru_cache(maxsize=2)  # the trials of a sweep share them
def numbered(data: str, data_dir: Path | None, least_count: int, spelled: bool) -> Numbered:
    """All parts as numbers. Words and letters are known from the training part; letters that it has once are not."""
    import torch

    from rnnkit import sequences
    from rnnkit.sequences import vocabulary

    source = load(data, data_dir)
    parts = (source.train, source.valid, source.test)
    texts = [[[folded(data, step) for step in sequence] for sequence in part.sequences] for part in parts]
    words = vocabulary.build(texts[0], least_count)
    tags = {name: number for number, name in enumerate(source.names)}
    examples = [
        sequences.Examples(
            [torch.tensor(words.ids(sequence)) for sequence in part_texts],
            [torch.tensor([tags[tag] for tag in of_sequence]) for of_sequence in part.tags],
        )
        for part, part_texts in zip(parts, texts, strict=True)
    ]
    for part in examples:
        sequences.check(part, vocabulary=len(words), classes=len(source.names))
    if not spelled or unit(data) == "character":
        return Numbered(*examples, len(words), 0, None)

    spellings: dict[str, int] = {}
    joined = []
    for part, of_part in zip(parts, examples, strict=True):
        numbers = [[spellings.setdefault(step, len(spellings)) for step in sequence] for sequence in part.sequences]
        pairs = [torch.stack([ids, torch.tensor(n)], 1) for ids, n in zip(of_part.inputs, numbers, strict=True)]
        joined.append(sequences.Examples(pairs, of_part.targets))
    letters = vocabulary.build({step: step for sequence in source.train.sequences for step in sequence}, least_count=2)
    return Numbered(*joined, len(words), len(letters), [torch.tensor(letters.ids(spelling)) for spelling in spellings])


def answers(model, examples, device):
    """The tag that the model gives each step, in the order of the examples, and the mean loss of all steps."""
    import torch
    from torch.nn.functional import cross_entropy
    from torch.nn.utils.rnn import unpack_sequence

    from rnnkit import sequences
    from rnnkit.nn.modules import evaluating

    predicted, nats = [], 0.0
    with evaluating(model):
        for batch in sequences.batches(examples, 256):
            batch = batch.to(device)
            scores = model(batch.inputs)
            nats += cross_entropy(scores.data, batch.targets, reduction="none").double().sum().item()
            predicted += unpack_sequence(sequences.map_packed(lambda rows: rows.argmax(1), scores))
    return torch.cat(predicted).cpu(), nats / sum(map(len, predicted))


@functools.lru_cache(maxsize=2)
def baseline(data: str, data_dir: Path | None):
    """Which steps of the test part have their most frequent tag of the training part, and which are new there.

    Both of shape (steps,). A new one gets the most frequent tag of all, of equally frequent ones the first to come.
    """
    import numpy as np

    source = load(data, data_dir)
    counts: dict[str, Counter] = defaultdict(Counter)
    for sequence, tags in zip(source.train.sequences, source.train.tags, strict=True):
        for step, tag in zip(sequence, tags, strict=True):
            counts[folded(data, step)][tag] += 1
    usual = sum(counts.values(), Counter()).most_common(1)[0][0]
    most = {step: of_step.most_common(1)[0][0] for step, of_step in counts.items()}
    steps = [folded(data, step) for sequence in source.test.sequences for step in sequence]
    tags = [tag for of_sequence in source.test.tags for tag in of_sequence]
    right = [most.get(step, usual) == tag for step, tag in zip(steps, tags, strict=True)]
    return np.array(right), np.array([step not in most for step in steps])


def main() -> None:
    """Run with the settings of the command line, and say what came out."""
    config = cli.parse(Config, "python -m experiments.tagging", sys.argv[1:], __doc__)
    result = run(config)
    printing.print_result(result)
    for what, count in load(config.data, config.data_dir).left_out.items():
        print(f"  left out of the data: {count:,} {what}")
    if result.status == "diverged":
        sys.exit(1)


if __name__ == "__main__":
    cli.main(main)
