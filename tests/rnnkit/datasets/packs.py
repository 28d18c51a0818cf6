"""A small data set, packed in every way, for the tests of `store`; `refused` gets the line that one is refused with."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from pathlib import Path

import pytest

from rnnkit.core.errors import UserError
from rnnkit.datasets import store


FILES = {"neg/1.txt": b"dull\n", "neg/2.txt": b"", "pos/3.txt": bytes(range(256)) * 4, "pos/4.txt": b"d\xc3\xa9\r\n"}
SMALL = store.Origin(
    name="small",
    addresses=("http://127.0.0.1:1/small.tar.gz",),  # nothing listens there
    wanted=r"(?:^|/)((?:neg|pos)/\d\.txt)$",
    sha256=store.checksum(FILES),
    most_bytes=10_000,
    most_files=20,
)


def write(folder, files):
    for name, content in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def tarred(*members, mode="w", prefix="", form=tarfile.PAX_FORMAT):
    """A tar archive in bytes; members are pairs of name and content, or what tarfile calls a TarInfo."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=form) as archive:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member)
            else:
                info = tarfile.TarInfo(prefix + member[0])
                info.size = len(member[1])
                archive.addfile(info, io.BytesIO(member[1]))
    return buffer.getvalue()


def link(kind, name, target):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def extended(header, value):
    info = tarfile.TarInfo("x")
    info.pax_headers = {header: value}
    return info


def zipped(*members, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return buffer.getvalue()


def of_all(pack, **options):
    """FILES in an archive, in a folder of it, beside a file that nobody wants."""
    return pack(("set/README", b"read me"), *((f"set/{name}", content) for name, content in FILES.items()), **options)


def compressed(compress, suffix):
    return {f"{name}{suffix}": compress(content) for name, content in FILES.items()}


PACKED = {
    "plain": FILES,
    "plain, in a folder below": {f"a/b/{name}": content for name, content in FILES.items()} | {"a/README": b"x"},
    "gz": compressed(gzip.compress, ".gz"),
    "xz": compressed(lzma.compress, ".xz"),
    "bz2": compressed(bz2.compress, ".bz2"),
    "each in its own way": {
        "neg/1.txt": FILES["neg/1.txt"],
        "deep/neg/2.txt.gz": gzip.compress(FILES["neg/2.txt"]),
        "pos/3.txt.xz": lzma.compress(FILES["pos/3.txt"]),
        "pos/4.txt.bz2": bz2.compress(FILES["pos/4.txt"]),
    },
    "plain beside gz of before": FILES | {f"{name}.gz": gzip.compress(b"before") for name in FILES},
    "tar": {"a.tar": of_all(tarred)},
    "tar.gz": {"a.tar.gz": of_all(tarred, mode="w:gz")},
    "tgz": {"a.tgz": of_all(tarred, mode="w:gz")},
    "tar.xz": {"a.tar.xz": of_all(tarred, mode="w:xz")},
    "tar.bz2": {"a.tar.bz2": of_all(tarred, mode="w:bz2")},
    "tar that a browser unpacked, under its old name": {"a.tar.gz": of_all(tarred)},
    "tar, the names from the top, in another order": {"a.tar": tarred(*reversed(FILES.items()), prefix="./")},
    "tar of old": {"a.tar": of_all(tarred, form=tarfile.USTAR_FORMAT)},
    "tar with a link that stays inside": {
        "a.tar": tarred(link(tarfile.SYMTYPE, "doc/of", "../neg/1.txt"), *FILES.items())
    },
    "zip": {"a.zip": of_all(zipped)},
    "zip, not compressed": {"a.zip": of_all(zipped, compression=zipfile.ZIP_STORED)},
    "an archive beside others' files": {
        "README.md": b"# x",
        "a.tar.md5": b"d41d8cd98f00b204e9800998ecf8427e",
        "._a.tar": b"a Mac's notes on a.tar",
        "other.zip": zipped(("other.txt", b"x")),
        "z.tar": of_all(tarred),
    },
    "an archive beside a damaged one and a part of the set": {
        "a.tar.gz": of_all(tarred, mode="w:gz")[:100],
        "neg/1.txt": FILES["neg/1.txt"],
        "z.zip": of_all(zipped),
    },
}


def refused(match, folder, origin=SMALL):
    """The one line that says why a set cannot be had."""
    with pytest.raises(UserError, match=match) as caught:
        store.contents(origin, folder)
    message = str(caught.value)
    assert message.isprintable(), message  # one line, so
    assert str(folder / "small") in message
    assert ".download" not in message
    return message
