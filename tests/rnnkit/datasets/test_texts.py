import dataclasses
import hashlib

import pytest

from rnnkit.core.errors import UserError
from rnnkit.datasets import store, texts


@pytest.fixture
def small(tmp_path, monkeypatch, on_its_own):
    """A data folder, and a way to put a small text in the place of a set's."""

    def put(text, name, content):
        origin = getattr(texts, text)
        folder = tmp_path / origin.name
        folder.mkdir()
        (folder / name).write_bytes(content)
        monkeypatch.setattr(texts, text, dataclasses.replace(origin, sha256=store.checksum({name: content})))
        return getattr(texts, text.lower())(tmp_path)

    return put


def test_the_novel_is_cut_out_of_its_file(small):
    content = (
        "\ufeffThe Project Gutenberg eBook\r\n\r\nTHE MYSTERIOUS ISLAND\r\nby Jules Verne\r\n\r\n"
        "THE MYSTERIOUS ISLAND again, “été”\r\n\r\nEnd of the Project Gutenberg EBook\r\n\r\nlicence\r\n"
    ).encode()
    loaded = small("ISLAND", "1268-0.txt", content)
    assert loaded.text == "THE MYSTERIOUS ISLAND\nby Jules Verne\n\nTHE MYSTERIOUS ISLAND again, “été”\n\n"
    assert loaded.sha256 == texts.ISLAND.sha256


def test_the_plays_come_as_they_are(small):
    loaded = small("SHAKESPEARE", "input.txt", b"First Citizen:\nBefore\r\n")
    assert loaded.text == "First Citizen:\nBefore\r\n"
    assert loaded.sha256 == texts.SHAKESPEARE.sha256


@pytest.mark.parametrize(
    ("load", "origin", "name"),
    [(texts.island, texts.ISLAND, "1268-0.txt"), (texts.shakespeare, texts.SHAKESPEARE, "input.txt")],
)
def test_another_text_under_the_name_is_refused(tmp_path, on_its_own, load, origin, name):
    folder = tmp_path / origin.name
    folder.mkdir()
    (folder / name).write_bytes(b"THE MYSTERIOUS ISLAND End of the Project Gutenberg")
    with pytest.raises(UserError, match=f"{folder} does not hold the data set {origin.name}"):
        load(tmp_path)


@pytest.mark.parametrize("real_data", ["mysterious_island"], indirect=True)
def test_the_real_novel_gives_the_books_numbers(real_data):
    text = texts.island(real_data).text
    symbols = sorted(set(text))
    assert (len(text), len(symbols)) == (1_112_350, 80)
    numbers = [symbols.index(symbol) for symbol in text[:21]]
    assert numbers == [44, 32, 29, 1, 37, 48, 43, 44, 29, 42, 33, 39, 45, 43, 1, 33, 43, 36, 25, 38, 28]
    assert text[:21] == "THE MYSTERIOUS ISLAND"


@pytest.mark.parametrize("real_data", ["tinyshakespeare"], indirect=True)
def test_the_real_plays(real_data):
    text = texts.shakespeare(real_data).text
    assert (len(text), len(set(text))) == (1_115_394, 65)
    assert text.startswith("First Citizen:\nBefore we proceed any further, hear me speak.\n")


def test_pythons_documentation():
    loaded = texts.python_docs()
    assert 300_000 < len(loaded.text) < 900_000
    assert loaded.text.index('The "assert" statement') < loaded.text.index('The "while" statement')
    assert loaded.sha256 == hashlib.sha256(loaded.text.encode()).hexdigest()
    assert texts.python_docs() == loaded
