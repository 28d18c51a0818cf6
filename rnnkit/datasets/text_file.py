"""A text file of yours: UTF-8, not empty."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from rnnkit.errors import UserError


_MARKS = {b"\xef\xbb\xbf": "UTF-8", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


@dataclass(frozen=True)
class Text:
    """A text, and the checksum of what it came from."""

    text: str
    sha256: str


def load(path: Path) -> Text:
    """The text of a file with its checksum. Raises `UserError` as `read` does."""
    text = read(path)
    return Text(text, hashlib.sha256(text.encode()).hexdigest())


def read(path: Path) -> str:
    """The text of a file, line ends as they are. Raises `UserError`, with the line, for what is no UTF-8 text.

    A byte-order mark is an error too: it would count as a symbol of the text, or stick to the first column's name.
    """
    if path.exists() and not path.is_file() and not path.is_dir():  # a pipe or a device may never end
        raise UserError(f"cannot read {path}: it is no regular file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if not content:
        raise UserError(f"{path} is empty")
    for mark, encoding in _MARKS.items():
        if content.startswith(mark):
            raise UserError(f"{path}, line 1: starts with a byte-order mark ({encoding}): save it as UTF-8 without one")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}, line {line}: byte {error.start} ({content[error.start]:#04x}) is no UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(f"{path}, line {line}: a NUL character: this is no text, or not in UTF-8")
    if not text.strip():
        raise UserError(f"{path} holds nothing but white space")
    return text
