"""Where data sets lie, how they come there, and that they are what they should be. Imports no torch.

Each data set has a folder of its name under the data folder: `--data-dir`, else the environment variable RNNKIT_DATA,
else `~/.cache/rnnkit`. In it the set may lie as plain files, each file compressed by itself, or as an archive (tar or
zip): what is checked is the SHA-256 of the contents. A set that is not there is downloaded from its official address.
"""

import bz2
import gzip
import hashlib
import http.client
import lzma
import os
import re
import shutil
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from rnnkit import locks
from rnnkit.errors import UserError


_OPENERS: dict[str, Callable[[Path], IO[bytes]]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
_TAR = re.compile(r"\.(tar|tar\.\w+|tgz|txz|tbz2?)$")
_BLOCK = 2**20
_TIMEOUT = 30  # seconds without a byte
# What a damaged compressed file or archive raises, by library.
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError)


@dataclass(frozen=True)
class Origin:
    """A data set's name, its address, and what its contents must be.

    `addresses` are the files to download. `wanted` is a regular expression whose first group names the contents in a
    path (all other files are passed over), `sha256` the checksum of all that it names. An archive may hold
    `most_bytes` at the most, when unpacked, in `most_files` files.
    """

    name: str
    addresses: tuple[str, ...]
    wanted: str
    sha256: str
    most_bytes: int = 2**30
    most_files: int = 200_000


def data_folder(data_dir: Path | None) -> Path:
    """The folder that holds the data sets."""
    if data_dir is not None:
        return data_dir
    named = os.environ.get("RNNKIT_DATA")
    return Path(named) if named else Path.home() / ".cache" / "rnnkit"


def contents(origin: Origin, data_dir: Path | None = None) -> dict[str, bytes]:
    """The contents of a data set by name, checked; downloaded first where they are not there.

    Raises `UserError` for contents that are not the ones expected, or that cannot be had.
    """
    folder = data_folder(data_dir) / origin.name
    found = _read(origin, folder)
    if found is None:
        _download(origin, folder)
        found = _read(origin, folder)
    return found


def checksum(files: dict[str, bytes]) -> str:
    """SHA-256 over names, sizes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _read(origin: Origin, folder: Path) -> dict[str, bytes] | None:
    """The contents in a folder, however they are packed; None where there are none of them."""
    if not folder.is_dir():
        return None
    seen = []
    for kind in (_loose_files, *(lambda o, f, path=path: _archived_files(o, path) for path in _archives(folder))):
        found = kind(origin, folder)
        if found and (digest := checksum(found)) == origin.sha256:
            return found
        if found:
            seen.append(f"{len(found)} files with SHA-256 {digest[:12]}...")
    if not seen:
        return None
    raise UserError(
        f"{folder} does not hold the data set {origin.name}: expected contents with SHA-256 {origin.sha256[:12]}..., "
        f"found {' and '.join(seen)}; move the folder away to have it downloaded from {origin.addresses[0]}"
    )


def _archives(folder: Path) -> list[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and (_TAR.search(p.name) or p.suffix == ".zip"))


def _loose_files(origin: Origin, folder: Path) -> dict[str, bytes]:
    """The wanted files that lie in the folder or below, as they are or each compressed by itself."""
    found: dict[str, bytes] = {}
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root, name)
            opener = _OPENERS.get(path.suffix)
            plain = path.with_suffix("") if opener else path
            match = re.search(origin.wanted, plain.relative_to(folder).as_posix())
            if not match or (opener and match[1] in found):
                continue
            try:
                with opener(path) if opener else path.open("rb") as file:
                    content = file.read(origin.most_bytes + 1)
            except _DAMAGED as error:
                raise UserError(f"cannot read {path} ({error}): delete it to have it downloaded again") from None
            if len(content) > origin.most_bytes:
                raise UserError(f"{path} unpacks to more than {origin.most_bytes:,} bytes: it is not {origin.name}")
            found[match[1]] = content
    return found


def _archived_files(origin: Origin, path: Path) -> dict[str, bytes]:
    """The wanted files of an archive. Nothing is unpacked to the disk."""
    found: dict[str, bytes] = {}
    members = _zip_members if path.suffix == ".zip" else _tar_members
    total = 0
    try:
        for number, (name, size, read) in enumerate(members(path)):
            _refuse_unsafe(path, name)
            total += size
            if total > origin.most_bytes or number >= origin.most_files:
                raise UserError(
                    f"{path} unpacks to more than {origin.most_bytes:,} bytes or {origin.most_files:,} files, which "
                    f"{origin.name} does not: refused"
                )
            if match := re.search(origin.wanted, name):
                found[match[1]] = read()
    except _DAMAGED as error:
        raise UserError(f"cannot read the archive {path} ({error}): delete it to have it downloaded again") from None
    return found


def _refuse_unsafe(archive: Path, name: str) -> None:
    parts = PurePosixPath(name.replace("\\", "/"))
    if parts.is_absolute() or ".." in parts.parts or re.match(r"[A-Za-z]:", name):
        raise UserError(f"{archive} holds {name!r}, which would be written outside its folder: refused")


def _tar_members(path: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    with tarfile.open(path, "r|*") as archive:
        for member in archive:
            if member.islnk() or member.issym():
                _refuse_unsafe(path, member.linkname)
            _refuse_unsafe(path, member.name)
            if member.isfile():
                yield member.name, member.size, lambda member=member: archive.extractfile(member).read()


def _zip_members(path: Path) -> Iterator[tuple[str, int, Callable[[], bytes]]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            _refuse_unsafe(path, member.filename)
            if not member.is_dir():  # a size that lies is found by zipfile itself while it reads
                yield member.filename, member.file_size, lambda member=member: archive.read(member)


def _download(origin: Origin, folder: Path) -> None:
    """Download a data set into its folder. What lies there afterwards is whole and checked, or nothing."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locks.exclusive(folder / ".lock"):  # several workers may want it at once
            if _read(origin, folder) is not None:
                return
            temporary = folder / f".download-{os.getpid()}"
            temporary.mkdir()
            try:
                for address in origin.addresses:
                    _fetch(origin, address, temporary, folder)
                if _read(origin, temporary) is None:
                    raise UserError(f"what {origin.addresses[0]} sent holds nothing of the data set {origin.name}")
                for path in sorted(temporary.iterdir()):
                    os.replace(path, folder / path.name)
            finally:
                shutil.rmtree(temporary)
    except OSError as error:
        raise UserError(
            f"cannot write the data folder {folder} ({error.strerror}): choose another with --data-dir or RNNKIT_DATA"
        ) from None


def _fetch(origin: Origin, address: str, temporary: Path, folder: Path) -> None:
    """Download one file, with a bar on a terminal."""
    name = address.rsplit("/", 1)[1]
    try:
        with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer, (temporary / name).open("wb") as file:
            size = int(answer.headers.get("Content-Length") or 0) or None
            bar = tqdm(total=size, unit="B", unit_scale=True, desc=name, disable=not sys.stderr.isatty(), leave=False)
            with bar:
                while block := answer.read(_BLOCK):
                    file.write(block)
                    bar.update(len(block))
                    if bar.n > origin.most_bytes:
                        raise UserError(f"{address} sends more than {origin.most_bytes:,} bytes: stopped")
            if size is not None and file.tell() != size:
                raise http.client.IncompleteRead(b"", size - file.tell())
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(
            f"the data set {origin.name} is not in {folder}, and {name} cannot be downloaded from {address} "
            f"({reason}): put that file into {folder}, or name the folder above it with --data-dir or RNNKIT_DATA"
        ) from None
