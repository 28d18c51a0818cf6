"""Where data sets lie, how they come there, and that they are what they should be. Imports no torch.

Each data set has a folder of its name under the data folder: `--data-dir`, else the environment variable RNNKIT_DATA,
else `~/.cache/rnnkit`. In it the set may lie as plain files, each file compressed by itself, or as an archive (tar or
zip): what is checked is the SHA-256 of the contents. A set that is not there is downloaded from its official address.
"""

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core import UserError, locks, terminal
from rnnkit.datasets import archives
from rnnkit.datasets.archives import reason_of


_BLOCK = 2**20
_TIMEOUT = 30  # seconds without a byte


@dataclass(frozen=True)
class Origin:
    """A data set's name, its address, and what its contents must be.

    `addresses` are the files to download. `wanted` is a regular expression whose first group names the contents in a
    path (all other files are passed over), `sha256` the checksum of all that it names. The contents, and all that an
    archive holds beside them, may be of `most_bytes` at the most, when unpacked, in `most_files` files.
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
    if named := os.environ.get("RNNKIT_DATA"):
        return Path(named)
    try:
        return Path.home() / ".cache" / "rnnkit"
    except RuntimeError:
        raise UserError("no home folder to keep data sets in: name a folder with --data-dir or RNNKIT_DATA") from None


def contents(origin: Origin, data_dir: Path | None = None) -> dict[str, bytes]:
    """The contents of a data set by name, checked; downloaded first where they are not there.

    Raises `UserError` for contents that are not the ones expected, or that cannot be had.
    """
    folder = data_folder(data_dir) / origin.name
    stored = _stored(origin, folder)
    return _download(origin, folder) if stored is None else stored


def checksum(files: dict[str, bytes]) -> str:
    """SHA-256 over names, sizes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _stored(origin: Origin, folder: Path) -> dict[str, bytes] | None:
    """The contents in a folder; None where there are none of them. Raises `UserError` for others."""
    try:
        with _able_to("read", folder):
            return _read(origin, folder)
    except archives.Unfit as error:
        raise UserError(
            f"{folder} does not hold the data set {origin.name} ({error}): "
            f"move the folder away to have it downloaded from {origin.addresses[0]}"
        ) from None


def _read(origin: Origin, folder: Path) -> dict[str, bytes] | None:
    """The contents in a folder, however they are packed; None where there are none of them."""
    if not folder.is_dir():
        return None
    unfit: list[str] = []
    for path in (folder, *filter(archives.is_archive, sorted(folder.iterdir()))):
        try:
            if path == folder:
                files = _loose_files(origin, folder)
            else:
                files = archives.read(path, origin.wanted, origin.most_bytes, origin.most_files)
        except archives.Unfit as error:
            unfit.append(str(error))
            continue
        if files and (digest := checksum(files)) == origin.sha256:
            return files
        if files:
            unfit.append(f"{len(files)} files with SHA-256 {digest[:12]}... instead of {origin.sha256[:12]}...")
    if unfit:
        raise archives.Unfit("; ".join(unfit))
    return None


def _loose_files(origin: Origin, folder: Path) -> dict[str, bytes]:
    """The wanted files that lie in the folder or below, as they are or each compressed by itself."""
    files: dict[str, bytes] = {}
    number, left = 0, origin.most_bytes
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root, name)
            opener = archives.OPENERS.get(path.suffix)
            plain = (path.with_suffix("") if opener else path).relative_to(folder).as_posix()
            match = re.search(origin.wanted, plain)
            if not match or (opener and match[1] in files):
                continue
            try:
                with (opener or archives.plain)(path) as file:
                    content = file.read(left + 1)
            except archives.DAMAGED as error:
                raise archives.Unfit(f"{path.relative_to(folder)} cannot be read: {reason_of(error)}") from None
            number, left = number + 1, left - len(content)
            if left < 0 or number > origin.most_files:
                raise archives.too_much("what lies there", origin.most_bytes, origin.most_files)
            files[match[1]] = content
    return files


def _download(origin: Origin, folder: Path) -> dict[str, bytes]:
    """Download a data set into its folder. What lies there afterwards is whole and checked, or nothing."""
    lock, temporary = folder / ".lock", folder / ".download"
    with _able_to("write", folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock.touch()  # where it cannot be made, that is said of the data folder
        with locks.exclusive(lock):  # several workers may want it at once
            if (files := _stored(origin, folder)) is not None:
                return files
            shutil.rmtree(temporary, ignore_errors=True)  # left by a process that was killed
            temporary.mkdir()
            try:
                for address in origin.addresses:
                    _fetch(origin, address, temporary, folder)
                if (files := _read(origin, temporary)) is None:
                    raise archives.Unfit("nothing of it")
                for path in sorted(temporary.iterdir()):
                    os.replace(path, folder / path.name)
            except archives.Unfit as error:
                raise _not_had(origin, folder, f"what {origin.addresses[0]} sent is not it ({error})") from None
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    return files


def _fetch(origin: Origin, address: str, temporary: Path, folder: Path) -> None:
    """Download one file, with a bar on a terminal."""
    name = address.rsplit("/", 1)[1]
    came = 0
    with (temporary / name).open("wb") as file:
        try:
            with urllib.request.urlopen(address, timeout=_TIMEOUT) as answer:
                size = answer.length
                with terminal.bar(total=size, unit="B", unit_scale=True, desc=name) as bar:
                    while block := answer.read(_BLOCK):
                        came += len(block)
                        if max(came, size or 0) > origin.most_bytes:
                            raise ConnectionError(f"it sends more than {origin.most_bytes:,} bytes")
                        with _able_to("write", folder):
                            file.write(block)
                        bar.update(len(block))
            if size is not None and came != size:
                raise ConnectionError(f"the connection ended after {came} of {size} bytes")
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it holds the connection
            raise _not_had(origin, folder, f"{name} cannot be downloaded from {address} ({reason_of(error)})") from None


def _not_had(origin: Origin, folder: Path, why: str) -> UserError:
    names = " and ".join(address.rsplit("/", 1)[1] for address in origin.addresses)
    return UserError(
        f"the data set {origin.name} is not in {folder}, and {why}: put {names} into that folder, "
        "or name the folder above it with --data-dir or RNNKIT_DATA"
    )


@contextlib.contextmanager
def _able_to(do: str, folder: Path) -> Generator[None]:
    """Raise `UserError` where what is done inside cannot read or write the folder."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot {do} the data folder {folder} ({reason_of(error)}): choose another with --data-dir or RNNKIT_DATA"
        ) from None
