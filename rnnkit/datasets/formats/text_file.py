"""A text file of yours: UTF-8, not empty."""

import hashlib
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core import UserError


# The longer ones first: that of UTF-32 with the low byte first begins with that of UTF-16.
_MARKS = {"UTF-32": (b"\xff\xfe\0\0", b"\0\0\xfe\xff"), "UTF-8": b"\xef\xbb\xbf", "UTF-16": (b"\xff\xfe", b"\xfe\xff")}
_LINE_END = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True)
class Text:
    """A text, and the checksum of what it came from."""

    text: str
    sha256: str


def require_regular(path: Path) -> None:
    """Raise `UserError` for a pipe or a device, which may never end, and `OSError` for what is not there."""
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # to read a folder says what it is
        raise UserError(f"cannot read {path}: it is not a regular file")


def content_of(path: Path) -> bytes:
    """The bytes of a file. Raises `UserError` where it cannot be read, or is not a regular file."""
    try:
        require_regular(path)
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def load(path: Path) -> Text:
    """The text of a file, line ends as they are. Raises `UserError`, with the line, for what is not UTF-8 text.

    A byte-order mark is an error too: it would count as a symbol of the text, or stick to the first column's name.
    """
    content = content_of(path)
    if not content:
        raise UserError(f"{path} is empty")
    for encoding, marks in _MARKS.items():
        if content.startswith(marks):
            raise UserError(f"{path}, line 1: starts with a byte-order mark ({encoding}): save it as UTF-8 without one")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = len(lines(content[: error.start].decode("utf-8")))
        raise UserError(f"{path}, line {line}: byte {error.start} ({content[error.start]:#04x}) is not UTF-8") from None
    if "\0" in text:
        line = len(lines(text[: text.index("\0")]))
        raise UserError(f"{path}, line {line}: a NUL character: this is not text, or not UTF-8")
    if not text.strip():
        raise UserError(f"{path} holds nothing but white space")
    return Text(text, hashlib.sha256(content).hexdigest())


def lines(text: str) -> list[str]:
    """The lines of a text without their ends, each a line feed, a carriage return, or the two together.

    What follows the last end is a line too, if an empty one. Unlike with `str.splitlines`, nothing else ends a line.
    """
    return _LINE_END.split(text)
