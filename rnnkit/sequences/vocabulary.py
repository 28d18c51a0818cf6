"""Text to words, and words to numbers. Imports no torch."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


PADDING, UNKNOWN = 0, 1

_MARKUP = re.compile(r"<[^>]*>")
_EMOTICON = re.compile(r"[:;=]-?[)(]")
_BETWEEN_WORDS = re.compile(r"\W+")


def words(text: str) -> list[str]:
    """The words of a text in lower case, without markup and punctuation, its emoticons (noseless) at the end.

    As in Raschka, Liu & Mirjalili, Machine Learning with PyTorch and Scikit-Learn (2022), chapter 8. The last word and
    the first emoticon stick together there where nothing stands between them; so they do here, for equal numbers.

    >>> words("<b>Not</b> bad, really! :-)")
    ['not', 'bad', 'really', ':)']
    """
    text = _MARKUP.sub("", text).lower()
    emoticons = " ".join(_EMOTICON.findall(text)).replace("-", "")
    return (_BETWEEN_WORDS.sub(" ", text) + emoticons).split()


@dataclass(frozen=True)
class Vocabulary:
    """Words by number: 0 is padding, 1 stands for every word that is not known, 2 is the most frequent one."""

    words: tuple[str, ...]
    numbers: dict[str, int]

    def __len__(self) -> int:
        return len(self.words)

    def ids(self, sequence: Iterable[str]) -> list[int]:
        """The numbers of the words, in order."""
        numbers = self.numbers
        return [numbers.get(word, UNKNOWN) for word in sequence]


def build(texts: Iterable[Sequence[str]], least_count: int = 1) -> Vocabulary:
    """The vocabulary of words that occur `least_count` times, the most frequent first, equal ones as they came."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    words = ["<pad>", "<unk>"]
    for special in words:
        counts.pop(special, None)  # some texts come with their rare words replaced
    words += (word for word, count in counts.most_common() if count >= least_count)
    return Vocabulary(tuple(words), {word: number for number, word in enumerate(words)})
