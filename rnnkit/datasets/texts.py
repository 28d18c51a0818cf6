"""Texts that a character model can learn from: a novel, plays, and documentation that comes with Python.

Origins:

- The Mysterious Island by Jules Verne, 1,112,350 characters, 80 different ones: Project Gutenberg, book 1268; public
  domain in the United States. The address is that of the copy which the published numbers were computed from (the one
  Gutenberg serves today may be a later revision).
- Tiny Shakespeare, 1,115,394 characters of plays, 65 different ones: A. Karpathy, char-rnn (2015), from texts in the
  public domain. Code bases split it differently, so that losses on "the validation part" are not comparable.
- The reference behind `help("...")`, some 450,000 characters: the module `pydoc_data.topics` of the standard library
  (Python Software Foundation License). It differs from one version of Python to the next: its checksum goes into a
  run's manifest, and no published number is about it.
"""

import hashlib
from pathlib import Path

from rnnkit.datasets import store
from rnnkit.datasets.formats.text_file import Text


_BOOK = "https://raw.githubusercontent.com/rasbt/machine-learning-book/35ab3774e8e249c43a98209d8efd94c060102003"
ISLAND = store.Origin(
    name="mysterious_island",
    addresses=(f"{_BOOK}/ch15/1268-0.txt",),
    wanted=r"(?:^|/)(1268-0\.txt)$",
    sha256="1beac57c9ae0f1a6dcc122985ad66a68e79c3c0543cf627afe777367dadf8822",
    most_bytes=2**24,
)
SHAKESPEARE = store.Origin(
    name="tinyshakespeare",
    addresses=("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",),
    wanted=r"(?:^|/)(input\.txt)$",
    sha256="51950dfa553e8e4065cde4276738f2327fa608bf57b8f4507ea4b2b5d12ad521",
    most_bytes=2**24,
)


def island(data_dir: Path | None = None) -> Text:
    """The novel from its title to Project Gutenberg's closing words, line ends as single newlines.

    The slice is that of Raschka, Liu & Mirjalili, Machine Learning with PyTorch and Scikit-Learn (2022), chapter 15.
    """
    (content,) = store.contents(ISLAND, data_dir).values()
    text = content.decode("utf-8-sig").replace("\r\n", "\n")
    return Text(text[text.index("THE MYSTERIOUS ISLAND") : text.index("End of the Project Gutenberg")], ISLAND.sha256)


def shakespeare(data_dir: Path | None = None) -> Text:
    """The plays."""
    (content,) = store.contents(SHAKESPEARE, data_dir).values()
    return Text(content.decode("ascii"), SHAKESPEARE.sha256)


def python_docs() -> Text:
    """All topics, in the order of their names."""
    from pydoc_data.topics import topics

    text = "\n\n".join(topics[name].strip() for name in sorted(topics))
    return Text(text, hashlib.sha256(text.encode()).hexdigest())
