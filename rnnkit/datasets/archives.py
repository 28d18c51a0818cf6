"""Files read out of tar and zip archives that nobody vouches for: nothing is unpacked to the disk. Imports no torch."""

import bz2
import functools
import gzip
import io
import lzma
import posixpath
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath


Opener = Callable[[Path], io.BufferedIOBase]
OPENERS: dict[str, Opener] = {".gz": gzip.GzipFile, ".xz": lzma.LZMAFile, ".bz2": bz2.BZ2File}
_MAGIC: dict[bytes, Opener] = {b"\x1f\x8b": gzip.GzipFile, b"\xfd7zXZ": lzma.LZMAFile, b"BZh": bz2.BZ2File}
_NAME = re.compile(r"[^.].*\.(tar|tar\.(gz|xz|bz2|zst)|tgz|txz|tbz2?|zip)")
# What damaged files raise, by library; RuntimeError is an encrypted zip's, and that of headers without end.
DAMAGED = (
    *(tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error),
    *(EOFError, OSError, ValueError, RuntimeError),
)


class Unfit(Exception):
    """What lies in a file or folder cannot be used. The message says why, and names it."""


def plain(path: Path) -> io.BufferedIOBase:
    """The opener of a file that is not compressed."""
    return path.open("rb")


def is_archive(path: Path) -> bool:
    """Whether a path is a file that calls itself an archive; a hidden one does not count."""
    return _NAME.fullmatch(path.name) is not None and path.is_file()


def read(path: Path, wanted: str, most_bytes: int, most_files: int) -> dict[str, bytes]:
    """The files of an archive whose names match the regular expression `wanted`, by its first group.

    Raises `Unfit` for a damaged archive, for names and links that would lie outside its folder, and where it unpacks
    to more than `most_bytes` in all or holds more than `most_files`.
    """
    contents: dict[str, bytes] = {}
    total = 0
    try:
        members = _zip_members(path) if path.suffix == ".zip" else _tar_members(path, most_bytes, most_files)
        for number, (name, size, content) in enumerate(members):
            total += size
            if total > most_bytes or number >= most_files:
                raise too_much(path.name, most_bytes, most_files)
            if content and (match := re.search(wanted, name)):
                contents[match[1]] = content()
    except DAMAGED as error:
        raise Unfit(f"{path.name} cannot be read: {reason_of(error)}") from None
    return contents


def too_much(what: str, most_bytes: int, most_files: int) -> Unfit:
    """The error for `what` goes beyond the limits."""
    return Unfit(f"{what} unpacks to more than {most_bytes:,} bytes or {most_files:,} files")


def reason_of(error: Exception) -> str:
    """What an error of a library says, in one line."""
    reason = getattr(error, "reason", None)  # urllib wraps the error proper
    cause = reason if isinstance(reason, Exception) else error
    return " ".join(str(getattr(cause, "strerror", None) or cause).split()) or type(cause).__name__


_Member = tuple[str, int, Callable[[], bytes] | None]  # name, size, and for a file what reads it


def _tar_members(path: Path, most_bytes: int, most_files: int) -> Iterator[_Member]:
    with path.open("rb") as file:
        start = file.read(5)
    opener = next((opener for magic, opener in _MAGIC.items() if start.startswith(magic)), plain)
    most = most_bytes + 4_096 * most_files  # with headers and padding
    with opener(path) as file, tarfile.open(fileobj=_Limited(file, most, path.name), mode="r|") as archive:
        for member in archive:
            _refuse_outside(path, member.name)
            if member.issym():
                _refuse_link_outside(path, member.name, member.linkname)
            elif member.islnk():
                _refuse_outside(path, member.linkname)
            content = archive.extractfile(member) if member.isfile() else None
            yield member.name, member.size, content.read if content else None


class _Limited(io.BufferedIOBase):
    """A file of which no more than `most` bytes are read: a tar's headers, too, can be of any size."""

    def __init__(self, file: io.BufferedIOBase, most: int, name: str):
        self.file, self.left, self.name, self.most = file, most, name, most

    def read(self, size: int | None = -1, /) -> bytes:
        block = self.file.read(size)
        self.left -= len(block)
        if self.left < 0:
            raise Unfit(f"{self.name} unpacks to more than {self.most:,} bytes")
        return block


def _zip_members(path: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            _refuse_outside(path, member.filename)
            if stat.S_ISLNK(member.external_attr >> 16):
                target = _unzip(archive, member, most=4_096).decode("utf-8", "replace")
                _refuse_link_outside(path, member.filename, target)
            elif not member.is_dir():
                content = functools.partial(_unzip, archive, member, member.file_size)
                yield member.filename, member.file_size, content


def _unzip(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> bytes:
    """A member's content up to `most` bytes; `archive.read` would unpack all that there is, whatever size is stated.

    Methods other than deflate cannot be stopped half way.
    """
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise zipfile.BadZipFile(f"{member.filename!r} is compressed otherwise than by deflate")
    with archive.open(member) as file:
        return file.read(most)


def _refuse_outside(archive: Path, name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or re.match(r"[A-Za-z]:", name):
        raise Unfit(f"{archive.name} holds {name!r}, which would lie outside its folder")


def _refuse_link_outside(archive: Path, name: str, target: str) -> None:
    """A symbolic link, other than a hard one, counts from the folder that it lies in."""
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(name), target.replace("\\", "/")))
    if reached.startswith(("../", "/")) or reached == ".." or re.match(r"[A-Za-z]:", target):
        raise Unfit(f"{archive.name} holds a link to {target!r}, which would lie outside its folder")
