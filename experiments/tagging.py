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

import dataclasses
import functools
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from rnnkit.core import BaseConfig, CellName, UserError, cli, defaults
from rnnkit.datasets import Parts, python_source, ud_ewt
from rnnkit.datasets.formats import conllu
from rnnkit.evaluation import classification, compare
from rnnkit.runs import Reference, ReferenceKind, Result
from rnnkit.training import Final, Objective, Space, Task, experiment, studied, tuned


if TYPE_CHECKING:
    import torch

    from rnnkit.sequences import Examples, Preprocessing


@dataclass(frozen=True, kw_only=True)
@defaults(hidden_size=128, learning_rate=0.005, epochs=8)
class Config(BaseConfig):
    """Settings of one run."""

    experiment: ClassVar[str] = "tagging"
    needs: ClassVar = {  # the python text is read character by character: its words have no letters
        **BaseConfig.needs,
        "letter_size": {"data": lambda data: data != "python", "reader_size": bool},
        "reader_size": {"data": lambda data: data != "python"},
    }

    cell: CellName = CellName("lstm")
    """Recurrent cell, of the letters too."""
    depth: int = 1
    """Recurrent layers over the words, one on top of the other."""
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

OBJECTIVE = Objective("metric/accuracy/valid")

START = {"cell": "lstm", "bidirectional": True, "learning_rate": 5e-3, "clip": 1.0}
SPACE = Space((32, 64, 128), (1, 2), studied((32, 256), 2), tuned((1e-3, 1e-2)), START)


def setup(config: Config, device: "torch.device") -> "Task[Numbered]":
    """The net, its batches and its loss, from the settings."""
    from rnnkit.nn import models
    from rnnkit.training import tasks

    source = load(config.data, config.data_dir)
    data = numbered(config.data, config.data_dir, config.least_count, config.reader_size > 0)
    letters = None
    if data.spellings is not None:
        letters = models.Letters(
            len(data.preprocessing.letters), config.letter_size, config.reader_size, data.spellings
        )
    sizes = config.embedding_size, len(source.names), max(map(len, data.train.inputs))
    outer = config.outer_dropout
    model = models.tagger(
        config, *sizes, vocabulary=len(data.preprocessing.vocabulary), letters=letters, outer_dropout=outer
    ).to(device)

    name, dropped = Path(config.data).stem, config.word_dropout
    return tasks.on_examples(config, OBJECTIVE, model, data, name, measured, word_dropout=dropped)


def conclude(config: Config, task: "Task[Numbered]") -> Final:
    """Test the best weights, beside the baseline and what others published."""
    metrics, right = measured(task.model, task.data.test, "test")
    theirs, new = baseline(config.data, config.data_dir)
    if new.any():
        metrics["metric/accuracy_on_new_words/test"] = float(right[new].mean())
    comparison = compare(
        f"most frequent tag of each {'character' if config.data == 'python' else 'word'}", right, theirs
    )
    published = PUBLISHED if config.data == "ewt" else []
    references = [Reference(what, "accuracy", value, ReferenceKind.PUBLISHED) for what, value in published]
    return Final(task.evaluate() | metrics, comparison, references, preprocessing=task.data.preprocessing)


def load(data: str, data_dir: Path | None) -> conllu.Tagged:
    """The sequences and tags of a name or a path."""
    if data == "ewt":
        return ud_ewt.load(data_dir)
    return python_source.load() if data == "python" else conllu.read(Path(data))


def folded(data: str, step: str) -> str:
    """What counts as one word: letters of either case are alike. Characters of source are themselves."""
    return step if data == "python" else step.lower()


@dataclass(frozen=True)
class Numbered(Parts["Examples"]):
    """The parts as numbers, how a sentence becomes them, and the letters of each spelling.

    With `spellings` each step is a pair, the number of the word and that of its spelling (`models.Spelled`); without,
    it is the number of the word alone.
    """

    preprocessing: "Preprocessing"
    spellings: "list[torch.Tensor] | None" = None


@functools.lru_cache(maxsize=2)  # the trials of a sweep share them
def numbered(data: str, data_dir: Path | None, least_count: int, spelled: bool) -> Numbered:
    """All parts as numbers. Words and letters are known from the training part; letters that it has once are not."""
    import torch

    from rnnkit.sequences import Examples, Preprocessing, check, vocabulary

    source = load(data, data_dir)
    texts = [[[folded(data, step) for step in sequence] for sequence in part.sequences] for part in source]
    words = vocabulary.build(texts[0], least_count)
    tags = {name: number for number, name in enumerate(source.names)}
    examples: list[Examples] = []
    for part, part_texts in zip(source, texts, strict=True):
        targets = [torch.tensor([tags[tag] for tag in of_sequence], device="cpu") for of_sequence in part.tags]
        examples.append(Examples([torch.tensor(words.ids(sequence), device="cpu") for sequence in part_texts], targets))
        check(examples[-1], vocabulary=len(words), classes=len(source.names))
    is_python = data == "python"
    told = {"vocabulary": words.words, "classes": source.names, "lower": not is_python}
    kept = Preprocessing("characters" if is_python else "tokens", "tags", **told)
    if not spelled or is_python:
        return Numbered(*examples, sha256=source.sha256, preprocessing=kept)

    spellings: dict[str, int] = {}
    for part, of_part in zip(source, examples, strict=True):
        for i, sequence in enumerate(part.sequences):
            numbers = [spellings.setdefault(step, len(spellings)) for step in sequence]
            of_part.inputs[i] = torch.stack([of_part.inputs[i], torch.tensor(numbers, device="cpu")], 1)
    letters = vocabulary.build({step: step for sequence in source.train.sequences for step in sequence}, least_count=2)
    ids = [torch.tensor(letters.ids(spelling), device="cpu") for spelling in spellings]
    kept = dataclasses.replace(kept, letters=letters.words)
    return Numbered(*examples, sha256=source.sha256, preprocessing=kept, spellings=ids)


def measured(model: "torch.nn.Module", examples: "Examples", split: str) -> tuple[dict[str, float], np.ndarray]:
    """Scores of a part, and which of its steps are tagged rightly, of shape (steps,)."""
    predicted, nats = answers(model, examples)
    targets = examples.joined_targets
    return {f"loss/{split}": nats, **classification(targets, predicted, split)}, (predicted == targets).numpy()


def answers(model: "torch.nn.Module", examples: "Examples") -> "tuple[torch.Tensor, float]":
    """The tag that the model gives each step, in the order of the examples, and the mean loss of all steps."""
    import torch
    from torch.nn.utils.rnn import unpack_sequence

    from rnnkit import sequences
    from rnnkit.nn import portable
    from rnnkit.training import tasks

    def of_batch(scores, batch):
        nats = portable.cross_entropy(scores.data.double(), batch.targets, reduction="sum").item()
        return unpack_sequence(sequences.map_packed(lambda rows: rows.argmax(1), scores)), nats

    predicted, nats = [], 0.0
    for tags, of_tags in tasks.of_batches(model, sequences.batches(examples, 256), of_batch):
        predicted += tags
        nats += of_tags
    return torch.cat(predicted).cpu(), nats / sum(map(len, predicted))


@functools.lru_cache(maxsize=2)
def baseline(data: str, data_dir: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Which steps of the test part have their most frequent tag of the training part, and which are new there.

    Both of shape (steps,). A new one gets the most frequent tag of all, of equally frequent ones the first to come.
    """
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


def left_out(config: Config, result: Result) -> list[str]:
    """What the data have that was not read, in lines."""
    return [f"  left out of the data: {n:,} {what}" for what, n in load(config.data, config.data_dir).left_out.items()]


run = experiment(Config, setup, conclude, remarks=left_out)
main = run.main


if __name__ == "__main__":
    cli.main(main)
