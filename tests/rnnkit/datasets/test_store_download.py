"""Data sets that come from a server of the test's own, and folders that cannot hold them."""

import contextlib
import dataclasses
import gzip
import http.client
import http.server
import os
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from rnnkit.datasets import store
from tests.helpers import ROOT
from tests.rnnkit.datasets.packs import FILES, SMALL, compressed, of_all, refused, tarred, write, zipped


pytestmark = pytest.mark.usefixtures("on_its_own")


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
    for encoding in ("cp437", "idna"):  # of zipfile and socket: that user may not be allowed to read Python's own files
        "".encode(encoding)
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
