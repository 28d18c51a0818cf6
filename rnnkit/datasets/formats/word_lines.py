"""Lines of words in three parts: what `ptb`, `made_sentences` and a text of your own become."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core import UserError
from rnnkit.datasets import Parts
from rnnkit.datasets.formats import text_file


END, UNKNOWN = "<eos>", "<unk>"
FEWEST = 20  # lines: with fewer, a part would have none


@dataclass(frozen=True)
class Words(Parts[list[str]]):
    """Three texts as words, one after the other, with END after each line.

    `best_perplexity`, where it is known, is that of the test part under the very process that made it: what no model
    can beat but by luck.
    """

    best_perplexity: float | None = None


def joined(lines: Iterable[Sequence[str]]) -> list[str]:
    """The words of all lines, END after each."""
    return [word for line in lines for word in (*line, END)]


def read(path: Path) -> Words:
    """A text of your own: UTF-8, a sentence a line, words separated by blanks; 90, 5 and 5 % of the lines, in order.

    Raises `UserError`, with the line, for what cannot be used.
    """
    source = text_file.load(path)
    lines = [line.split() for line in text_file.lines(source.text)]
    if source.text.endswith(("\n", "\r")):
        lines.pop()  # what follows the last line's end
    for number, words in enumerate(lines, start=1):
        if not words:
            raise UserError(f"{path}, line {number}: an empty line where a sentence was expected: delete it")
        if END in words:
            raise UserError(
                f"{path}, line {number}, word {words.index(END) + 1}: {END} marks the ends of lines, and is put there "
                "by itself: delete it"
            )
    if len(lines) < FEWEST:
        raise UserError(f"{path}: {len(lines)} lines, and at least {FEWEST} are needed, one sentence a line")
    cuts = len(lines) * 90 // 100, len(lines) * 95 // 100
    train, valid, test = lines[: cuts[0]], lines[cuts[0] : cuts[1]], lines[cuts[1] :]
    return Words(joined(train), joined(valid), joined(test), source.sha256)


def vocabulary(train: list[str], least_count: int) -> list[str]:
    """The words of the training part, the most frequent first, of equal ones the one that came first.

    Words that occur less than `least_count` times are left out; with 0, which asks for the usual, those that occur
    once in a text without UNKNOWN, and none in a text with it. UNKNOWN, which stands for them and for all words that
    only the other parts have, is among the rest, or comes last.
    """
    counts = Counter(train)
    least_count = least_count or (1 if UNKNOWN in counts else 2)
    words = [word for word, count in counts.most_common() if count >= least_count or word in (END, UNKNOWN)]
    return words if UNKNOWN in counts else [*words, UNKNOWN]
