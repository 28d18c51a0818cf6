import bz2
import contextlib
import dataclasses
import gzip
import hashlib
import http.client
import http.server
import io
import lzma
import os
import random
import resource
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from rnnkit.datasets import store
from rnnkit.errors import UserError
from tests.helpers import ROOT


pytestmark = pytest.mark.usefixtures("on_its_own")

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


# What follows downloads, from a server of the test's own.


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802 - the name that http.server wants
        self.server.asked.append(self.path)
        with contextlib.suppress(OSError):  # who asked may stop listening
            self.server.answer(self)

    def log_message(self, *what):
        pass


@pytest.fixture
def server():
    """A web server on the loopback address. It answers by `server.answer(handler)`, and keeps what it was `asked`."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked, server.over = [], threading.Event()
        server.answer = answering(of_all(tarred, mode="w:gz"))
        server.origin = dataclasses.replace(SMALL, addresses=(f"http://127.0.0.1:{server.server_port}/x/small.tar.gz",))
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def answering(body, status=200, **headers):
    """An answer with the given body and headers; `Length` is what it says of its length, if not the truth."""

    def answer(handler):
        handler.send_response(status)
        if (length := headers.get("Length", len(body))) is not None:
            handler.send_header("Content-Length", str(length))
        for name in headers.keys() - {"Length"}:
            handler.send_header(name.replace("_", "-"), headers[name])
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def raw(body):
    """An answer that need not be HTTP."""
    return lambda handler: handler.wfile.write(body)


def falling_silent(body):
    def answer(handler):
        handler.wfile.write(body)
        handler.server.over.wait(30)

    return answer


def left_in(folder):
    return sorted(path.name for path in (folder / "small").iterdir())


@pytest.mark.parametrize("length", [{}, {"Length": None}, {"Length": "many"}])
def test_a_set_that_is_not_there_is_downloaded_once(tmp_path, server, length):
    archive = of_all(tarred, mode="w:gz")  # made once: it holds the time
    server.answer = answering(archive, **length)
    folder = tmp_path / "not" / "there"
    for _ in range(2):
        assert store.contents(server.origin, folder) == FILES
    assert left_in(folder) == [".lock", "small.tar.gz"]
    assert (folder / "small" / "small.tar.gz").read_bytes() == archive
    assert server.asked == ["/x/small.tar.gz"]


def test_a_set_may_come_in_several_files(tmp_path, server):
    files = compressed(gzip.compress, ".gz")
    origin = dataclasses.replace(
        server.origin,
        addresses=tuple(f"http://127.0.0.1:{server.server_port}/{name}" for name in files),
        wanted=r"(\d\.txt)$",
        sha256=store.checksum({name[4:]: content for name, content in FILES.items()}),
    )
    server.answer = lambda handler: answering(files[handler.path[1:]])(handler)
    assert store.contents(origin, tmp_path) == {name[4:]: content for name, content in FILES.items()}
    assert left_in(tmp_path) == [".lock", *(name[4:] for name in files)]


WHOLE = of_all(tarred, mode="w:gz")
CHUNK = b"%x\r\n%s\r\n" % (len(WHOLE), WHOLE)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
FAILURES = {
    "other contents": (answering(tarred(("neg/1.txt", b"x"), mode="w:gz")), "sent is not it .*SHA-256"),
    "nothing of it": (answering(tarred(("x", b"x"), mode="w:gz")), "sent is not it"),
    "no archive": (answering(b"<html>Please log in</html>"), "sent is not it .*cannot be read"),
    "an empty file": (answering(b""), "sent is not it"),
    "an archive that leaves its folder": (answering(tarred(("../x", b"x"), mode="w:gz")), "sent is not it .*outside"),
    "an archive that blows up": (answering(tarred(("x", bytes(10_001)), mode="w:gz")), "sent is not it .*more than"),
    "404": (answering(b"no", 404), "cannot be downloaded .*404.*Not Found"),
    "500": (answering(b"", 500), "cannot be downloaded .*500"),
    "a circle": (answering(b"", 302, Location="/x/small.tar.gz"), "cannot be downloaded .*302"),
    "half of it": (answering(WHOLE[:200], Length=len(WHOLE)), f"cannot be downloaded .*200 of {len(WHOLE)} bytes"),
    "half of it, of unknown length": (answering(WHOLE[:200], Length=None), "sent is not it .*cannot be read"),
    "half of it in chunks": (raw(CHUNKED + CHUNK[:200]), "cannot be downloaded"),
    "chunks without an end": (raw(CHUNKED + CHUNK), "cannot be downloaded"),
    "chunks of no size": (raw(CHUNKED + b"x\r\n"), "cannot be downloaded"),
    "too much": (answering(bytes(3_000_000), Length=None), "cannot be downloaded .*more than 10,000 bytes"),
    "too much, as it says": (answering(b"x", Length=10_001), "cannot be downloaded .*more than 10,000 bytes"),
    "no answer": (raw(b""), "cannot be downloaded"),
    "another protocol": (raw(b"SSH-2.0-OpenSSH_9.6\r\n"), "cannot be downloaded .*SSH-2.0-OpenSSH_9.6"),
    "silence": (falling_silent(b""), "cannot be downloaded .*timed out"),
    "silence in the middle": (falling_silent(b"HTTP/1.0 200 OK\r\n\r\nx"), "cannot be downloaded .*timed out"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_download_that_fails_is_one_line_and_leaves_nothing(tmp_path, server, monkeypatch, failure):
    server.answer, match = FAILURES[failure]
    if "silence" in failure:
        monkeypatch.setattr(store, "_TIMEOUT", 0.1)
    message = refused(f"the data set small is not in .*{match}", tmp_path, server.origin)
    assert server.origin.addresses[0] in message
    assert "put small.tar.gz into" in message
    assert left_in(tmp_path) == [".lock"]
    server.answer = answering(WHOLE)  # and nothing stands in the way of the next attempt
    monkeypatch.setattr(store, "_TIMEOUT", 30)
    assert store.contents(server.origin, tmp_path) == FILES


def test_a_connection_that_is_refused_is_one_line(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, and not listening
        address = f"http://127.0.0.1:{unused.getsockname()[1]}/small.tar.gz"
        message = refused("Connection refused", tmp_path, dataclasses.replace(SMALL, addresses=(address,)))
    assert address in message
    assert left_in(tmp_path) == [".lock"]


def test_a_network_that_goes_away_is_not_taken_for_the_disk(tmp_path, server, monkeypatch):
    def gone(answer, size):
        raise OSError(113, "No route to host")

    monkeypatch.setattr(http.client.HTTPResponse, "read", gone)
    refused(r"cannot be downloaded .*\(No route to host\)", tmp_path, server.origin)
    assert left_in(tmp_path) == [".lock"]


def test_an_interrupted_download_leaves_nothing(tmp_path, server, monkeypatch):
    def interrupted(answer, size):
        raise KeyboardInterrupt

    monkeypatch.setattr(http.client.HTTPResponse, "read", interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.contents(server.origin, tmp_path)
    assert left_in(tmp_path) == [".lock"]


def test_what_a_killed_download_left_is_no_hindrance(tmp_path, server):
    write(tmp_path / "small", {".download/small.tar.gz": b"half"})
    assert store.contents(server.origin, tmp_path) == FILES
    assert left_in(tmp_path) == [".lock", "small.tar.gz"]


def test_threads_that_want_it_at_once_download_it_once(tmp_path, server):
    def slowly(handler):
        time.sleep(0.1)
        answering(WHOLE)(handler)

    server.answer, start, found = slowly, threading.Barrier(4), []

    def one():
        start.wait()
        found.append(store.contents(server.origin, tmp_path))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [FILES] * 4
    assert len(server.asked) == 1
    assert left_in(tmp_path) == [".lock", "small.tar.gz"]


def test_processes_that_want_it_at_once_download_it_once(tmp_path, server):
    both_ask = threading.Event()

    def late(handler):
        both_ask.wait(30)
        answering(WHOLE)(handler)

    server.answer = late
    program = (
        "import pathlib; from rnnkit.datasets import store; from rnnkit.datasets.store import Origin;"
        "print('ask', flush=True);"
        f"print(store.checksum(store.contents({server.origin!r}, pathlib.Path({str(tmp_path)!r}))))"
    )
    asking = [
        subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    assert [process.stdout.readline() for process in asking] == ["ask\n"] * 2
    both_ask.set()
    assert [process.communicate(timeout=60)[0] for process in asking] == [f"{SMALL.sha256}\n"] * 2
    assert len(server.asked) == 1


@pytest.fixture
def not_root():
    """A new folder, and a user whom permissions bind."""
    with tempfile.TemporaryDirectory() as folder:
        user = os.geteuid()
        if user == 0:
            os.chown(folder, 65534, -1)
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(user)


def test_a_folder_that_cannot_be_written_is_one_line(not_root, server):
    not_root.chmod(0o555)
    advice = "choose another with --data-dir or RNNKIT_DATA"
    refused(rf"cannot write the data folder .* \(Permission denied\): {advice}", not_root, server.origin)
    not_root.chmod(0o755)
    (not_root / "small").mkdir(0o555)
    refused(rf"cannot write the data folder .* \(Permission denied\): {advice}", not_root, server.origin)
    assert server.asked == []


def test_a_folder_that_cannot_be_written_is_good_enough_for_a_set_that_is_there(not_root):
    write(not_root / "small", {"a.zip": of_all(zipped)})
    (not_root / "small").chmod(0o555)
    assert store.contents(SMALL, not_root) == FILES


@pytest.mark.parametrize("mode", [0o000, 0o333, 0o444])
def test_a_folder_that_cannot_be_read_is_one_line(not_root, mode):
    write(not_root / "small", {"a.zip": of_all(zipped)})
    (not_root / "small").chmod(mode)
    refused("cannot (be )?read .*Permission denied", not_root)
    (not_root / "small").chmod(0o755)
    not_root.chmod(mode & 0o666)
    refused("cannot (be )?read .*Permission denied", not_root)
    not_root.chmod(0o755)


@pytest.mark.parametrize("place", ["small", ""])
def test_a_file_in_place_of_the_folder_is_one_line(tmp_path, place):
    data = tmp_path / "data"
    if place:
        data.mkdir()
    (data / place).write_text("x")
    refused("cannot write the data folder", data)


@pytest.mark.parametrize("size", [0, 9_000])
def test_a_disk_that_fills_up_is_one_line_and_leaves_nothing(tmp_path, server, size):
    server.answer = answering(of_all(tarred, mode="w:gz") + bytes(size))  # within what is buffered, and beyond
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        refused(r"cannot write the data folder .* \(File too large\): choose another", tmp_path, server.origin)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert left_in(tmp_path) == [".lock"]
