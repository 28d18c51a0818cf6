"""Tiny Shakespeare: 1,115,394 characters of plays, 65 different ones.

Origin: A. Karpathy, char-rnn (2015), from texts in the public domain. Code bases split it differently, so that losses
on "the validation part" are not comparable between them.
"""

from pathlib import Path

from rnnkit.datasets import store
from rnnkit.datasets.formats.text_file import Text


ORIGIN = store.Origin(
    name="tinyshakespeare",
    addresses=("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",),
    wanted=r"(?:^|/)(input\.txt)$",
    sha256="51950dfa553e8e4065cde4276738f2327fa608bf57b8f4507ea4b2b5d12ad521",
    most_bytes=2**24,
)


def load(data_dir: Path | None = None) -> Text:
    """The plays."""
    (content,) = store.contents(ORIGIN, data_dir).values()
    return Text(content.decode("ascii"), ORIGIN.sha256)
