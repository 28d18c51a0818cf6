import dataclasses
import gzip
import io
import random
import tarfile

import pytest
import torch

from rnnkit.core.errors import UserError
from rnnkit.datasets import imdb, store
from rnnkit.sequences import vocabulary


COUNT = 300  # of each label in each part: two whole blocks of 128, and some


def review(part, label, number):
    return f"{part} {label} {number}: très bien".encode()


def in_order(part):
    """The reviews of a part as the official archive has them."""
    numbers = [*range(127, -1, -1), *range(255, 127, -1), *range(299, 255, -1)]
    return [(review(part, label, n).decode(), target) for target, label in enumerate(("neg", "pos")) for n in numbers]


def pairs(part):
    return list(zip(part.texts, part.targets, strict=True))


@pytest.fixture
def small(tmp_path, monkeypatch, on_its_own):
    """A data folder with an IMDb of 1,200 reviews, of which 40 validate."""
    generator = random.Random(0)
    files = {
        f"{part}/{label}/{number}_{generator.randint(1, 10)}.txt": review(part, label, number)
        for part in ("test", "train")
        for label in ("neg", "pos")
        for number in range(COUNT)
    }
    others = {"README": b"x", "train/unsup/0_0.txt": b"x", "train/urls_neg.txt": b"x", "imdb.vocab": b"x"}
    members = list((files | others).items())
    generator.shuffle(members)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members:
            info = tarfile.TarInfo(f"aclImdb/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    (tmp_path / "imdb").mkdir()
    (tmp_path / "imdb" / "aclImdb_v1.tar.gz").write_bytes(gzip.compress(buffer.getvalue(), 1))
    origin = dataclasses.replace(
        imdb.ORIGIN, sha256=store.checksum(files), addresses=("http://127.0.0.1:1/aclImdb_v1.tar.gz",)
    )
    monkeypatch.setattr(imdb, "ORIGIN", origin)
    monkeypatch.setattr(imdb, "VALIDATION", 40)
    imdb.load.cache_clear()
    yield tmp_path
    imdb.load.cache_clear()


def test_reviews_come_in_the_archives_order_and_are_split_by_seed_1(small):
    data = imdb.load(small)
    assert pairs(data.test) == in_order("test")
    torch.manual_seed(1)
    train, valid = torch.utils.data.random_split(in_order("train"), [560, 40])  # as in the book
    assert pairs(data.train) == list(train)
    assert pairs(data.valid) == list(valid)
    assert data.labels == ("neg", "pos")
    assert data.sha256 == imdb.ORIGIN.sha256


def test_the_split_neither_needs_nor_touches_the_global_generator(small):
    torch.manual_seed(5)
    first, drawn = imdb.load(small), torch.rand(1)
    imdb.load.cache_clear()
    torch.manual_seed(5)
    assert torch.rand(1) == drawn
    assert imdb.load(small) == first


def test_reviews_are_read_once(small):
    data = imdb.load(small)
    (small / "imdb" / "aclImdb_v1.tar.gz").unlink()
    assert imdb.load(small) is data
    with pytest.raises(UserError, match="the data set imdb is not in .*small"):
        imdb.load(small / "small")


def test_a_failure_is_not_kept(small):
    archive = small / "imdb" / "aclImdb_v1.tar.gz"
    content = archive.read_bytes()
    archive.write_bytes(content[:1_000])
    with pytest.raises(UserError, match="aclImdb_v1.tar.gz cannot be read"):
        imdb.load(small)
    archive.write_bytes(content)
    assert len(imdb.load(small).test.texts) == 2 * COUNT


@pytest.mark.parametrize("real_data", ["imdb"], indirect=True)
def test_the_real_reviews_give_the_books_numbers(real_data):
    data = imdb.load.__wrapped__(real_data)
    assert [len(part.texts) for part in (data.train, data.valid, data.test)] == [20_000, 5_000, 25_000]
    words = [vocabulary.words(text) for text in data.train.texts]
    symbols = vocabulary.build(words)
    assert len(symbols) == 69_023 + 2  # padding and the unknown word
    assert symbols.ids(["this", "is", "an", "example"]) == [11, 7, 35, 457]
    assert [len(text) for text in words[:4]] == [165, 86, 218, 145]
    assert data.train.targets[:4] == [1, 1, 1, 0]
    assert sum(data.test.targets) == 12_500
