"""Texts with a label each, in three parts: what `imdb`, `made_reviews` and a table of your own become."""

import csv
import io
import reprlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnkit.core import UserError, wording
from rnnkit.datasets import Parts, splits
from rnnkit.datasets.formats import text_file


@dataclass(frozen=True)
class Part:
    """Texts and the number of each one's label."""

    texts: list[str]
    targets: list[int]

    def subset(self, indices: Sequence[int]) -> "Part":
        """The texts at the given positions, in that order."""
        return Part([self.texts[i] for i in indices], [self.targets[i] for i in indices])


@dataclass(frozen=True)
class LabelledTexts(Parts[Part]):
    """Three parts of labelled texts; target i of a part is an index into `labels`."""

    labels: tuple[str, ...]


def split(part: Part, labels: tuple[str, ...], sha256: str, seed: int) -> LabelledTexts:
    """Texts in three stratified parts of 60, 20 and 20 % by a seed."""
    parts = (part.subset(chosen.tolist()) for chosen in splits.in_three(np.array(part.targets), seed))
    return LabelledTexts(*parts, sha256=sha256, labels=labels)


FEWEST = 5  # of each label: with fewer, a part would have none


def read_table(path: Path, seed: int = 0) -> LabelledTexts:
    """A table with the columns `text` and `label` (comma-separated, UTF-8, one header line), split by `seed`.

    The labels are two words of your choice; the second in alphabetical order counts as positive. Raises `UserError`,
    with the row, for what cannot be used.
    """
    source = text_file.load(path)
    texts: list[str] = []
    names: list[str] = []
    labels: list[str] = []
    for line, content, name in _rows(path, source.text):
        if name not in labels:
            for other in labels:
                if _as_seen(name) == _as_seen(other):
                    raise UserError(
                        f"{path}, line {line}: the label {_short(name)} looks like {_short(other)}, which came "
                        "before, and is another: write them in one way"
                    )
            labels.append(name)
        if len(labels) > 2:
            first, second = map(reprlib.repr, sorted(labels[:2]))
            raise UserError(f"{path}, line {line}: a third label {reprlib.repr(name)} beside {first} and {second}")
        texts.append(content)
        names.append(name)
    if not labels:
        raise UserError(f"{path} has a header and no rows: at least {FEWEST} of each label are needed")
    labels.sort()
    for label in labels:
        if (count := names.count(label)) < FEWEST:
            rows = f"{wording.count(count, 'row')} of label {reprlib.repr(label)}"
            raise UserError(f"{path}: {rows}, and at least {FEWEST} are needed")
    if len(labels) < 2:
        raise UserError(f"{path}: every row has the label {reprlib.repr(labels[0])}; two labels are needed")
    return split(Part(texts, [labels.index(name) for name in names]), tuple(labels), source.sha256, seed)


def _as_seen(label: str) -> str:
    """A label without what nobody sees in it: white space around it, signs without a width, how accents are put."""
    composed = unicodedata.normalize("NFC", label)
    return " ".join("".join(c for c in composed if unicodedata.category(c) not in ("Cf", "Cc")).split())


def _short(label: str) -> str:
    """A label with all its signs to be seen, its middle cut out where it is long."""
    return reprlib.repr(ascii(label)[1:-1])


def _rows(path: Path, text: str) -> Iterator[tuple[int, str, str]]:
    """The rows of a table: the line that each begins in, its text, its label."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # csv's own, 131,072 characters, is a long review
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        header = next(reader)
        for column in ("text", "label"):
            if header.count(column) != 1:
                columns = reprlib.repr(header)
                raise UserError(f"{path}, line 1: expected one column {column!r} in the header, found {columns}")
        line = reader.line_num + 1
        for fields in reader:
            if not fields:
                raise UserError(f"{path}, line {line}: an empty line where a row was expected: delete it")
            if len(fields) != len(header):
                raise UserError(f"{path}, line {line}: {len(fields)} fields where the header has {len(header)}")
            row = dict(zip(header, fields, strict=True))
            for column in ("text", "label"):
                if not row[column].strip():
                    raise UserError(f"{path}, line {line}: the field {column!r} is empty")
            yield line, row["text"], row["label"]
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(
            f"{path}, line {line}: a quote opens in the row that begins here, and does not close as it should ({error})"
        ) from None
