"""Sentences with universal part-of-speech tags in the CoNLL-U format, read strictly.

The format: https://universaldependencies.org/format.html. A line has 10 fields with tabs between them; a sentence ends
with an empty line; comments start with #. Words are numbered from 1. Ranges of words that are written as one ("don't",
2-3) and words that are only meant (empty nodes, 5.1) are no words of the sentence: they are left out and counted.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rnnkit.core import UserError, wording
from rnnkit.datasets import Parts
from rnnkit.datasets.formats import text_file


TAGS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM"),
    *("PART", "PRON", "PROPN", "PUNCT", "SCONJ", "SYM", "VERB", "X"),
)
RANGES, EMPTY = "ranges of words written as one", "words only meant"
FEWEST = 10  # sentences: with fewer, a part would have none

_FIELDS = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_NUMBER = r"[1-9][0-9]{0,8}"  # a sentence has no billion words, and numbers beyond count cannot be read
_WORD, _RANGE, _EMPTY = map(re.compile, (_NUMBER, rf"({_NUMBER})-({_NUMBER})", rf"(0|{_NUMBER})\.({_NUMBER})"))


@dataclass(frozen=True)
class Part:
    """Sequences of words or characters, and the tags of each one's steps."""

    sequences: list[Sequence[str]]
    tags: list[Sequence[str]]


@dataclass(frozen=True)
class Tagged(Parts[Part]):
    """Three parts, and the names of the tags: what `ud_ewt`, `python_source` and a file of yours become.

    `left_out` counts what the source holds that is no step of a sequence, by what it is.
    """

    names: tuple[str, ...]
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass
class _Sentence:
    """A sentence while it is read: its words, the last range's end, and the last empty node."""

    words: list[str]
    tags: list[str]
    range_end: int = 0
    empty: tuple[int, int] = (0, 0)


def read(path: Path) -> Tagged:
    """A CoNLL-U file of yours: 80, 10 and 10 % of its sentences, in order.

    Raises `UserError`, with line and field, for what is no CoNLL-U, or has a word without a universal tag.
    """
    source = text_file.load(path)
    sentences, left_out = parse(source.text, str(path))
    count = len(sentences.sequences)
    if count < FEWEST:
        raise UserError(f"{path}: {wording.count(count, 'sentence')}, and at least {FEWEST} are needed")
    cuts = count * 80 // 100, count * 90 // 100
    places = slice(cuts[0]), slice(*cuts), slice(cuts[1], None)
    parts = (Part(sentences.sequences[where], sentences.tags[where]) for where in places)
    return Tagged(*parts, sha256=source.sha256, names=TAGS, left_out=dict(left_out))


def parse(text: str, name: str) -> tuple[Part, Counter[str]]:
    """The words and universal tags of all sentences of a text in CoNLL-U, and how often what was left out.

    `name` says in errors where the text is from.
    """
    part, left_out = Part([], []), Counter({RANGES: 0, EMPTY: 0})
    sentence, began = _Sentence([], []), False
    if "\r" in text:
        number = len(text_file.lines(text[: text.index("\r")]))
        raise UserError(f"{name}, line {number}: ends with a carriage return: save it with line ends as on Unix")
    lines = text.split("\n")
    if lines.pop():
        raise UserError(f"{name}, line {len(lines) + 1}: the file ends within a line: put a line end and an empty line")
    for number, line in enumerate(lines, start=1):
        where = f"{name}, line {number}"
        if not line:
            if not sentence.words:
                raise UserError(f"{where}: an empty line where a sentence was expected")
            if sentence.range_end > len(sentence.words):
                raise UserError(f"{where}: the sentence ends before its range up to word {sentence.range_end} does")
            part.sequences.append(sentence.words)
            part.tags.append(sentence.tags)
            sentence, began = _Sentence([], []), False
        elif line.startswith("#") and not sentence.words:
            began = True
        else:
            began = True
            _take(sentence, line, where, left_out)
    if began:
        raise UserError(f"{name}, line {len(lines)}: no empty line after the last sentence: the file may be cut short")
    return part, left_out


def _take(sentence: _Sentence, line: str, where: str, left_out: Counter[str]) -> None:
    fields = line.split("\t")
    if len(fields) != len(_FIELDS):
        raise UserError(f"{where}: {len(fields)} fields with tabs between them, where CoNLL-U has {len(_FIELDS)}")
    for name, value in zip(_FIELDS, fields, strict=True):
        if not value.strip():
            raise UserError(f"{where}, field {name}: is empty; CoNLL-U writes _ for nothing")
    identity, form, _, tag = fields[:4]
    count = len(sentence.words)
    if _WORD.fullmatch(identity):
        if int(identity) != count + 1:
            raise UserError(f"{where}, field ID: word {identity} where word {count + 1} was expected")
        if tag not in TAGS:
            all_tags = f"the {len(TAGS)} universal tags ({TAGS[0]} ... X)"
            raise UserError(f"{where}, field UPOS: {tag[:40]!r} is none of {all_tags}")
        sentence.words.append(form)
        sentence.tags.append(tag)
    elif match := _RANGE.fullmatch(identity):
        first, last = int(match[1]), int(match[2])
        if first != count + 1 or first <= sentence.range_end or last <= first:
            raise UserError(f"{where}, field ID: range {identity} where one from word {count + 1} on could stand")
        sentence.range_end = last
        left_out[RANGES] += 1
    elif match := _EMPTY.fullmatch(identity):
        after, place = int(match[1]), int(match[2])
        before = sentence.empty[1] if sentence.empty[0] == count else 0
        if after != count or place != before + 1:
            raise UserError(f"{where}, field ID: empty node {identity} where {count}.{before + 1} could stand")
        sentence.empty = after, place
        left_out[EMPTY] += 1
    else:
        raise UserError(
            f"{where}, field ID: {identity[:40]!r} is not the number of a word, range of words or empty node"
        )
