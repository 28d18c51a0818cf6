import hashlib
import os
from pathlib import Path

import pytest

from rnnkit.core.errors import UserError
from rnnkit.datasets.formats import text_file


def refused(path):
    """The one line that says why a text cannot be used."""
    with pytest.raises(UserError) as caught:
        text_file.load(path)
    message = str(caught.value)
    assert message.isprintable()  # one line, so
    assert str(path) in message
    return message


@pytest.mark.parametrize("text", ["x", "a\nb\r\nc\rd", " é\u2028\n", "a\tb\n\n", "x\ufeff"])
def test_a_text_comes_as_it_is(tmp_path, text):
    (tmp_path / "a.txt").write_bytes(text.encode())
    assert text_file.load(tmp_path / "a.txt") == text_file.Text(text, hashlib.sha256(text.encode()).hexdigest())


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\t\r\n\xc2\xa0", "holds nothing but white space"),
        (b"\xef\xbb\xbfa", "line 1: starts with a byte-order mark (UTF-8)"),
        ("a".encode("utf-16"), "line 1: starts with a byte-order mark (UTF-16)"),
        (b"\xfe\xff\0a", "line 1: starts with a byte-order mark (UTF-16)"),
        ("a".encode("utf-32"), "line 1: starts with a byte-order mark (UTF-32)"),
        (b"\xff\xfe\0\0a\0\0\0", "line 1: starts with a byte-order mark (UTF-32)"),
        (b"\0\0\xfe\xff\0\0\0a", "line 1: starts with a byte-order mark (UTF-32)"),
        (b"ok\r\n\xc3\xa9\nab\xe9\n", "line 3: byte 9 (0xe9) is not UTF-8"),
        (b"\xe9", "line 1: byte 0 (0xe9) is not UTF-8"),
        (b"a\xc3", "line 1: byte 1 (0xc3) is not UTF-8"),
        (b"\xed\xa0\x80", "line 1: byte 0 (0xed) is not UTF-8"),  # half of a surrogate pair
        (b"ok\nfine\nb\0d\n\0", "line 3: a NUL character"),
        (b"ok\r\xc3\xa9\rab\xe9\r", "line 3: byte 8 (0xe9) is not UTF-8"),
        (b"ok\rfine\rb\0d\r", "line 3: a NUL character"),
        (b"ok\r\n\rfine\n\n\r\xe9", "line 6: byte 12 (0xe9) is not UTF-8"),  # any mixture of line ends
        ("a\x0bb\x0cc\x85\u2028d\0".encode(), "line 1: a NUL character"),  # none of these ends a line
        ("ab\n".encode("utf-16-le"), "line 1: a NUL character"),
    ],
)
def test_what_is_no_text_is_one_line_with_the_place(tmp_path, content, said):
    (tmp_path / "a.txt").write_bytes(content)
    assert said in refused(tmp_path / "a.txt")


def test_what_is_no_file_is_one_line(tmp_path):
    assert "Is a directory" in refused(tmp_path)
    assert "No such file or directory" in refused(tmp_path / "no")
    assert "Not a directory" in refused(Path(__file__) / "a.txt")
    assert "File name too long" in refused(tmp_path / ("a" * 300))
    os.mkfifo(tmp_path / "pipe.txt")  # to read it would wait for ever
    assert "it is not a regular file" in refused(tmp_path / "pipe.txt")
