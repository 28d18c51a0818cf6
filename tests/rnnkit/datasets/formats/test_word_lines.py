"""Texts of words: Penn Treebank, the sentences of a grammar, files of one's own."""

import dataclasses
import math
import random

import pytest

from rnnkit.core.errors import UserError
from rnnkit.datasets import ptb, store
from rnnkit.datasets.formats import word_lines
from rnnkit.datasets.generated import made_sentences
from tests.helpers import data_at_hand


def test_a_text_of_ones_own_is_cut_in_order_and_loses_nothing(tmp_path):
    lines = [f"line {n}  holds\tword{n}" for n in range(43)]
    (tmp_path / "mine.txt").write_text("\n".join(lines) + "\n")
    corpus = word_lines.read(tmp_path / "mine.txt")
    parts = [" ".join(part).split(" <eos>") for part in (corpus.train, corpus.valid, corpus.test)]
    assert [len(part) - 1 for part in parts] == [38, 2, 3]
    assert [line.split() for part in parts for line in part if line] == [line.split() for line in lines]
    assert corpus.best_perplexity is None
    (tmp_path / "mine.txt").write_text("\n".join(lines))  # no line end after the last line
    assert word_lines.read(tmp_path / "mine.txt").test == corpus.test
    for end in ("\r\n", "\r"):
        (tmp_path / "mine.txt").write_bytes((end.join(lines) + end).encode())
        assert dataclasses.replace(word_lines.read(tmp_path / "mine.txt"), sha256=corpus.sha256) == corpus


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "nothing but white space"),
        (b"a b\n" * 19, r"mine.txt: 19 lines, and at least 20 are needed"),
        (b"a b\n" * 30 + b"\n" + b"a b\n", "line 31: an empty line where a sentence was expected"),
        (b"a b\n" * 30 + b"\n", "line 31: an empty line"),
        (b"a b\r" * 30 + b"\ra b\r", "line 31: an empty line"),
        (b"a b\n" * 30 + b"a <eos> b\n", "line 31, word 2: <eos> marks the ends of lines"),
        (b"a b\n" * 30 + b"a \xff\n", "line 31: byte 122"),
        (b"\xef\xbb\xbfa b\n", "line 1: starts with a byte-order mark"),
    ],
)
def test_a_text_that_cannot_be_used_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "mine.txt").write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        word_lines.read(tmp_path / "mine.txt")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "least_count", "expected"),
    [
        ("b a b <eos> c <eos>", 1, ["b", "<eos>", "a", "c", "<unk>"]),
        ("b a b <eos> c <eos>", 0, ["b", "<eos>", "<unk>"]),  # no <unk> in it: what comes once teaches it
        ("b <unk> b <eos> c <eos>", 0, ["b", "<eos>", "<unk>", "c"]),  # there is one already
        ("b <unk> b <eos> c", 2, ["b", "<unk>", "<eos>"]),
    ],
)
def test_the_vocabulary(text, least_count, expected):
    assert word_lines.vocabulary(text.split(), least_count) == expected


def test_made_sentences_come_from_their_seed():
    one, other = made_sentences.load(0), made_sentences.load(1)
    made_sentences.load.cache_clear()
    assert made_sentences.load(0) == one
    assert one.train != other.train
    assert one.sha256 != other.sha256
    assert [part.count("<eos>") for part in (one.train, one.valid, one.test)] == list(made_sentences.LINES)


def test_the_first_word_and_the_first_noun_decide_the_verb():
    singular, plural = made_sentences._NOUNS
    for line in " ".join(made_sentences.load().train).split(" <eos> "):
        words = line.removesuffix(" <eos>").split()
        noun = next(word for word in words if word in singular + plural)
        decided = {"today": ("is", "are"), "yesterday": ("was", "were")}[words[0]][noun in plural]
        assert [word for word in words if word in ("is", "are", "was", "were")] == [decided]
        assert words[-2] == decided


def test_how_likely_a_sentence_is_agrees_with_the_grammars_entropy():
    def coin(p):
        return -p * math.log(p) - (1 - p) * math.log(1 - p)

    noun = coin(0.3) + 0.3 * math.log(6) + math.log(10)
    places = 1  # in the mean: each comes with probability 1/2 after the one before
    entropy = math.log(2) + math.log(2) + noun + math.log(6)  # when, how many, the first noun, what it does
    entropy += places * (math.log(4) + math.log(2) + noun) + coin(0.5) / 0.5  # 1/p coins until one says stop
    generator = random.Random(3)
    nats = [made_sentences.sentence(generator)[1] for _ in range(10_000)]
    mean = sum(nats) / len(nats)
    error = (sum((n - mean) ** 2 for n in nats) / len(nats) ** 2) ** 0.5
    assert abs(mean - entropy) < 4 * error
    assert error < 0.01 * entropy


def test_one_sentence_by_hand():
    class Always(random.Random):
        def random(self):
            return 0.9  # no adjective, no place

        def choice(self, options):
            return options[-1]

    words, nats = made_sentences.sentence(Always())
    assert " ".join(words) == "today the clocks are vanishing"
    assert nats == pytest.approx(-math.log(1 / 2 * 1 / 2 * 0.7 * 1 / 10 * 0.5 * 1 / 6))


def test_best_perplexity_is_that_of_the_test_part():
    made = made_sentences.load(4)
    generator = random.Random(4)
    nats = [made_sentences.sentence(generator)[1] for _ in range(sum(made_sentences.LINES))]
    assert made.best_perplexity == pytest.approx(math.exp(sum(nats[-250:]) / len(made.test)))


def test_penn_treebank_is_read_with_its_line_ends(tmp_path, monkeypatch):
    files = {f"ptb.{part}.txt": f" the {part} N \n <unk> it \n".encode() for part in ("train", "valid", "test")}
    (tmp_path / "ptb").mkdir()
    for name, content in files.items():
        (tmp_path / "ptb" / name).write_bytes(content)
    monkeypatch.setattr(ptb, "ORIGIN", dataclasses.replace(ptb.ORIGIN, sha256=store.checksum(files)))
    corpus = ptb.load(tmp_path)
    assert corpus.train == ["the", "train", "N", "<eos>", "<unk>", "it", "<eos>"]
    assert (corpus.valid[1], corpus.test[1]) == ("valid", "test")


def test_another_text_under_the_name_is_refused(tmp_path):
    (tmp_path / "ptb").mkdir()
    (tmp_path / "ptb" / "ptb.train.txt").write_text("something else\n")
    with pytest.raises(UserError, match="does not hold the data set ptb"):
        ptb.load(tmp_path)


def test_the_real_penn_treebank_has_the_published_counts():
    corpus = ptb.load(data_at_hand("ptb"))
    assert [len(part) for part in (corpus.train, corpus.valid, corpus.test)] == [929_589, 73_760, 82_430]
    assert [part.count("<eos>") for part in (corpus.train, corpus.valid, corpus.test)] == [42_068, 3_370, 3_761]
    words = word_lines.vocabulary(corpus.train, 0)
    assert len(words) == len(set(words)) == 10_000
    assert set(corpus.valid + corpus.test) <= set(words)
