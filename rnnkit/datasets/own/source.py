"""The lines of a text file, read a piece at a time and checked; and the checksum of a file or a folder."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from rnnkit.core import UserError
from rnnkit.datasets.formats import text_file


_MARK = b"\xef\xbb\xbf"


def lines(path: Path) -> Iterator[str]:
    """The lines of a file with their ends; a UTF-8 byte-order mark before the first is passed over.

    Raises `UserError`, with the line, for what is not UTF-8 text, and for an empty file.
    """
    number = 0
    try:
        text_file.require_regular(path)
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                yield _decoded(path, number, raw.removeprefix(_MARK) if number == 1 else raw)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if not number:
        raise UserError(f"{path} is empty")


def _decoded(path: Path, number: int, raw: bytes) -> str:
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        byte = raw[error.start]
        raise UserError(
            f"{path}, line {number}: byte {error.start} of the line ({byte:#04x}) is not UTF-8: save the file as UTF-8"
        ) from None
    if "\0" in text:
        raise UserError(f"{path}, line {number}: a NUL character: this is no text, or not in UTF-8")
    return text


def checksum(path: Path) -> str:
    """SHA-256 of a file; of a folder that of its files, by sorted paths and their bytes. `UserError` for no file."""
    try:
        if not path.is_dir():
            text_file.require_regular(path)
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        digest = hashlib.sha256()
        for file in members(path):
            digest.update(f"{file.relative_to(path).as_posix()}\0".encode())
            digest.update(bytes.fromhex(checksum(file)))
        return digest.hexdigest()
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None


def members(folder: Path) -> list[Path]:
    """The files in a folder and those below it, sorted, without hidden ones."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(p.startswith(".") for p in path.relative_to(folder).parts))
