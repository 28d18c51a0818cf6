import bz2
import dataclasses
import gzip
import hashlib
import lzma
import random
import stat
import tarfile
import tracemalloc
import zipfile

import pytest

from rnnkit.core.errors import UserError
from rnnkit.datasets import store
from tests.rnnkit.datasets.packs import (
    FILES,
    PACKED,
    SMALL,
    compressed,
    extended,
    link,
    of_all,
    refused,
    tarred,
    write,
    zipped,
)


pytestmark = pytest.mark.usefixtures("on_its_own")


def test_the_checksum_is_over_names_sizes_and_bytes_in_order():
    by_hand = hashlib.sha256(b"a\x002\x00xyb/c\x000\x00").hexdigest()
    assert store.checksum({"b/c": b"", "a": b"xy"}) == by_hand
    assert store.checksum({"a": b"xyb", "/c": b""}) != by_hand


@pytest.mark.parametrize("packed", PACKED)
def test_the_same_contents_are_found_however_they_are_packed(tmp_path, packed):
    write(tmp_path / "small", PACKED[packed])
    before = sorted((tmp_path / "small").iterdir())
    assert store.contents(SMALL, tmp_path) == FILES
    assert sorted((tmp_path / "small").iterdir()) == before  # nothing is unpacked, no lock is left


@pytest.mark.parametrize(
    "packed",
    [
        FILES | {"neg/1.txt": b"dull!"},
        FILES | {"neg/9.txt": b"one too many"},
        {"neg/1.txt": FILES["neg/1.txt"]},
        compressed(gzip.compress, ".gz") | {"neg/1.txt.gz": gzip.compress(b"dull")},
        {"a.tar.gz": tarred(*list(FILES.items())[1:], mode="w:gz")},
        {"a.zip": zipped(("neg/1.txt", b"dull!"))},
    ],
)
def test_other_contents_are_refused_with_the_folder_and_what_to_do(tmp_path, packed):
    write(tmp_path / "small", packed)
    message = refused(rf"does not hold the data set small \(.*{SMALL.sha256[:12]}", tmp_path)
    assert f"move the folder away to have it downloaded from {SMALL.addresses[0]}" in message


OUTSIDE = ["../x", "/x", "a/../../x", "..", "C:\\x", "c:x", "..\\x", "\\\\host\\x", "\\x", "a/..", "//x"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("pack", [tarred, zipped])
def test_archives_with_names_outside_their_folder_are_refused(tmp_path, pack, name):
    write(tmp_path / "small", {"a.zip" if pack is zipped else "a.tar": pack(*FILES.items(), (name, b"x"))})
    assert repr(name) in refused("outside", tmp_path)


@pytest.mark.parametrize("target", ["../x", "/x", "a/../../x", "C:\\x", "..\\..\\x", "/etc/passwd"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_archives_with_links_to_outside_are_refused(tmp_path, kind, target):
    write(tmp_path / "small", {"a.tar": tarred(*FILES.items(), link(kind, "x", target))})
    assert repr(target) in refused("outside", tmp_path)


def test_a_link_counts_from_its_own_folder(tmp_path):
    write(tmp_path / "small", {"a.tar": tarred(*FILES.items(), link(tarfile.SYMTYPE, "a/b/x", "../../../y"))})
    refused("outside", tmp_path)
    write(tmp_path / "small", {"a.tar": tarred(*FILES.items(), link(tarfile.SYMTYPE, "a/b/x", "../../y"))})
    assert store.contents(SMALL, tmp_path) == FILES


@pytest.mark.parametrize("target", ["../../x", "/etc/passwd"])
def test_zips_with_links_to_outside_are_refused(tmp_path, target):
    info = zipfile.ZipInfo("pos/x")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    write(tmp_path / "small", {"a.zip": zipped(*FILES.items(), (info, target))})
    assert repr(target) in refused("outside", tmp_path)


def renamed_zip(size):
    """A zip that says its 5,000,000 bytes were but `size`."""
    content = zipped(("neg/1.txt", bytes(5_000_000)))
    return content.replace((5_000_000).to_bytes(4, "little"), size.to_bytes(4, "little"))


def header_of(size, kind):
    """A tar whose extended header is of `size` bytes: no file of it is large."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = kind, size
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(size) + tarred(*FILES.items()))


BOMBS = {
    "gz": {"neg/1.txt.gz": gzip.compress(bytes(10_001))},
    "xz": {"neg/1.txt.xz": lzma.compress(bytes(10_001))},
    "bz2": {"neg/1.txt.bz2": bz2.compress(bytes(10_001))},
    "gz, many": {f"neg/{i}.txt.gz": gzip.compress(bytes(2_001)) for i in range(5)},
    "plain": {"neg/1.txt": bytes(10_001)},
    "plain, many": {f"{i}/neg/{i % 10}.txt": b"" for i in range(21)},
    "tar.gz": {"a.tar.gz": tarred(("neg/1.txt", bytes(10_001)), mode="w:gz")},
    "tar.gz, of what nobody wants": {"a.tar.gz": tarred(("x", bytes(10_001)), *FILES.items(), mode="w:gz")},
    "tar.gz, in all": {"a.tar.gz": tarred(*((f"neg/{i}.txt", bytes(2_001)) for i in range(5)), mode="w:gz")},
    "tar, files": {"a.tar": tarred(*((f"x/{i}", b"") for i in range(21)))},
    "tar, folders": {"a.tar": tarred(*(link(tarfile.DIRTYPE, f"x/{i}", "") for i in range(21)), *FILES.items())},
    "tar, a long name": {"a.tar.gz": header_of(50_000_000, tarfile.GNUTYPE_LONGNAME)},
    "tar, an extended header": {"a.tar.gz": header_of(50_000_000, tarfile.XHDTYPE)},
    "zip": {"a.zip": zipped(("neg/1.txt", bytes(10_001)))},
    "zip, in all": {"a.zip": zipped(*((f"neg/{i}.txt", bytes(2_001)) for i in range(5)))},
    "zip, files": {"a.zip": zipped(*((f"x/{i}", b"") for i in range(21)))},
    "zip, with a size that lies": {"a.zip": renamed_zip(100)},
    "zip, by another method": {"a.zip": zipped(("neg/1.txt", bytes(10_000)), compression=zipfile.ZIP_BZIP2)},
}


@pytest.mark.parametrize("packed", BOMBS)
def test_what_blows_up_is_refused(tmp_path, packed):
    write(tmp_path / "small", BOMBS[packed])
    refused(r"unpacks to more than [\d,]+ bytes|Bad CRC|deflate", tmp_path)


@pytest.mark.parametrize("packed", [name for name in BOMBS if "size that lies" in name or "header" in name])
def test_what_blows_up_takes_no_memory(tmp_path, packed):
    write(tmp_path / "small", BOMBS[packed])
    tracemalloc.start()
    try:
        refused("small", tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 3_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "packed",
    [
        {"neg/1.txt.gz": b"plain"},
        {"neg/1.txt.gz": gzip.compress(FILES["pos/3.txt"])[:-9]},
        {"neg/1.txt.xz": lzma.compress(FILES["pos/3.txt"])[:-9]},
        {"neg/1.txt.bz2": bz2.compress(FILES["pos/3.txt"])[:-9]},
        {"a.tar": b"no archive at all"},
        {"a.tar.gz": b""},
        {"a.tar": tarred(extended("GNU.sparse.map", "1,x"))},
        {"a.tar.zst": b"\x28\xb5\x2f\xfd"},
        {"a.tar.gz": of_all(tarred, mode="w:gz")[:200]},
        {"a.zip": b"PK"},
        {"a.zip": of_all(zipped)[:-30]},
    ],
)
def test_damaged_files_are_one_line_with_their_name(tmp_path, packed):
    write(tmp_path / "small", packed)
    (name,) = packed
    assert name in refused("cannot be read", tmp_path)


def test_an_encrypted_zip_is_one_line(tmp_path):
    content = bytearray(of_all(zipped))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := content.find(mark, at + 1)) >= 0:
            content[at + place] |= 1
    write(tmp_path / "small", {"a.zip": bytes(content)})
    refused("cannot be read: .*encrypted", tmp_path)


@pytest.mark.parametrize(
    "packed", ["gz", "xz", "bz2", "tar", "tar.gz", "tar.xz", "tar.bz2", "zip", "zip, not compressed"]
)
def test_no_damage_raises_anything_but_a_line(tmp_path, packed):
    """Cut anywhere, or a byte changed anywhere: the right contents or a line, never another error."""
    generator = random.Random(0)
    files, lines = PACKED[packed], []
    path, content = max(files.items(), key=lambda item: len(item[1]))
    write(tmp_path / "small", files)
    for _ in range(20):
        at = generator.randrange(min(len(content), 3_000))
        changed = bytearray(content)
        changed[at] ^= 1 << generator.randrange(8)
        for damaged in (content[:at], bytes(changed)):
            (tmp_path / "small" / path).write_bytes(damaged)
            try:
                found = store.contents(SMALL, tmp_path)
            except UserError as error:
                lines.append(str(error))
            else:
                assert found == FILES
    assert all(line.isprintable() for line in lines)
    assert len(lines) > 20


def test_headers_after_headers_are_one_line(tmp_path):
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 3
    header = info.tobuf(tarfile.GNU_FORMAT) + b"abc".ljust(512, b"\0")
    write(tmp_path / "small", {"a.tar": header * 3_000})
    refused("cannot be read", tmp_path, dataclasses.replace(SMALL, most_files=10_000))


def test_what_is_no_archive_does_not_count(tmp_path):
    write(
        tmp_path / "small",
        {"._a.tar": b"x", "a.tar.md5": b"x", "a.rar": b"x", "neg/10.txt": b"x", ".x/neg/1.txt": b"x"},
    )
    refused("the data set small is not in .*Connection refused", tmp_path)


def test_the_data_folder_is_the_one_named_else_that_of_the_environment_else_a_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert store.data_folder(None) == tmp_path / ".cache" / "rnnkit"
    monkeypatch.setenv("RNNKIT_DATA", "")
    assert store.data_folder(None) == tmp_path / ".cache" / "rnnkit"
    monkeypatch.setenv("RNNKIT_DATA", str(tmp_path / "b"))
    assert store.data_folder(None) == tmp_path / "b"
    assert store.data_folder(tmp_path / "c") == tmp_path / "c"
    for folder, what in ((tmp_path / "b", b"b"), (tmp_path / "c", b"c"), (tmp_path / ".cache" / "rnnkit", b"d")):
        write(folder / "small", FILES | {"neg/1.txt": what})

    def expected(what):
        return dataclasses.replace(SMALL, sha256=store.checksum(FILES | {"neg/1.txt": what}))

    assert store.contents(expected(b"c"), tmp_path / "c")["neg/1.txt"] == b"c"
    assert store.contents(expected(b"b"))["neg/1.txt"] == b"b"
    monkeypatch.delenv("RNNKIT_DATA")
    assert store.contents(expected(b"d"))["neg/1.txt"] == b"d"


def test_no_home_is_one_line(monkeypatch):
    def nobody(uid):
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", nobody)
    with pytest.raises(UserError, match="--data-dir or RNNKIT_DATA"):
        store.data_folder(None)
