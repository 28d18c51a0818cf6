"""Sentiment of reviews: on made ones from end to end, and what a table of one's own may hold."""

import csv
import dataclasses
import os
import re

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from experiments import sentiment
from rnnkit import sequences
from rnnkit.core import files
from rnnkit.datasets.generated import made_reviews
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from tests.helpers import refused, run_command


QUICK = ["--data", "made", "--track", "off"]
WELL = ["--learning-rate", "0.01", "--epochs", "6", "--pool", "last", "--schedule", "one-cycle", "--keep", "best"]


def write_table(path, rows, header=("text", "label")):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


REVIEWS = [(f"a {'lovely' if i % 2 else 'dull'} film number {i}", "good" if i % 2 else "bad") for i in range(40)]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    runs = tmp_path_factory.mktemp("sentiment")
    done = run_command("experiments.sentiment", *QUICK, *WELL, "--runs-dir", runs)
    assert done.returncode == 0, done.stderr
    (folder,) = runs.iterdir()
    return folder, done.stdout


def test_a_net_learns_what_the_order_of_words_says(trained):
    folder, printed = trained
    result = Result.read(folder)
    assert result.metrics["metric/accuracy/test"] > 0.9
    assert result.comparison.low > 0  # words and pairs alone do not tell which judgement came last
    assert f"accuracy (test): {result.metrics['metric/accuracy/test']:.4f}" in printed
    assert "TF-IDF + logistic regression: accuracy (test) " in printed
    assert printed.count("TF-IDF of words and pairs + logistic regression") == 1
    assert "learned from the training and the validation part together" in printed
    assert "published" not in printed  # nobody published anything on made reviews
    rows = read_rows(folder)
    assert len(rows) == 6 * -(-600 // 32)
    assert {"grad_norm/embedding", "grad_norm/encoder.l0.f/hh", "grad_norm/head"} <= set(rows[0])
    assert "hidden/encoder.l0.f/rms" in rows[-1]


def test_the_baseline_is_scikit_learns(trained):
    reviews = made_reviews.load()
    vectors = TfidfVectorizer()
    train = vectors.fit_transform(reviews.train.texts + reviews.valid.texts)
    regression = LogisticRegression(max_iter=1_000).fit(train, reviews.train.targets + reviews.valid.targets)
    expected = regression.score(vectors.transform(reviews.test.texts), reviews.test.targets)
    (reference,) = [r for r in Result.read(trained[0]).references if r.what == "TF-IDF + logistic regression"]
    assert reference.value == pytest.approx(expected)


def test_right_and_wrong_answers_stand_in_the_order_of_the_test_part(tmp_path, monkeypatch):
    seen = {}

    def compare(baseline, ours, theirs):
        seen.update(ours=ours, theirs=theirs)
        return type("Nothing", (), {"as_dict": lambda self: None})()

    monkeypatch.setattr(sentiment, "compare", compare)
    config = sentiment.Config(data="made", epochs=1, least_count=10**6, track="off", runs_dir=tmp_path)
    sentiment.run(config)  # knows no word: whatever it says, it says of texts by their lengths alone
    data = sentiment.numbered("made", None, 10**6)
    test, known = data.test, len(data.preprocessing.vocabulary)
    assert known == 2
    by_length = {}
    for words, target, right in zip(test.inputs, test.targets.tolist(), seen["ours"].tolist(), strict=True):
        by_length.setdefault(len(words), set()).add(target == right)
    assert all(len(said) == 1 for said in by_length.values())
    assert len(seen["theirs"]) == len(test)


@pytest.mark.parametrize(
    "words",
    [
        ["--bidirectional", "--pool", "attention", "--order", "bucketed", "--word-dropout", "0.2"],
        ["--cell", "gru", "--pool", "joined", "--head-dropout", "0.5", "--head-size", "0", "--depth", "2"],
        ["--cell", "rnn", "--pool", "max", "--least-count", "3", "--layers", "torch"],
        ["--pool", "mean", "--evaluate-every", "5", "--init", "chrono"],
    ],
)
def test_every_setting_works(tmp_path, monkeypatch, capsys, words):
    quick = [*QUICK, "--epochs", "1", "--hidden-size", "8", "--runs-dir", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["sentiment", *quick, *words])
    sentiment.main()
    assert ": finished after 19 steps" in capsys.readouterr().out


def test_word_dropout_leaves_the_examples_as_they_are(tmp_path):
    before = [words.clone() for words in sentiment.numbered("made", None, 1).train.inputs]
    sentiment.run(sentiment.Config(data="made", epochs=1, word_dropout=0.9, track="off", runs_dir=tmp_path))
    after = sentiment.numbered("made", None, 1).train.inputs
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


def test_a_table_of_ones_own(tmp_path, monkeypatch, capsys):
    table = write_table(tmp_path / "mine.csv", REVIEWS)
    words = ["--data", str(table), "--epochs", "1", "--track", "off", "--runs-dir", str(tmp_path / "runs")]
    monkeypatch.setattr("sys.argv", ["sentiment", *words])
    sentiment.main()
    assert "on the same 8 test examples" in capsys.readouterr().out
    (folder,) = (tmp_path / "runs").iterdir()
    assert list(files.read_json(folder / "manifest.json")["data"]) == ["mine"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"text,label\n", "a header and no rows"),
        (b"text,label\ngood film,pos\nbad film\n", "line 3: 1 fields where the header has 2"),
        (b"text,label\ngood film,\n", "line 2: the field 'label' is empty"),
        (b"text,label\n   ,pos\n", "line 2: the field 'text' is empty"),
        (b"text,label\ngood,pos\nbad,neg\nso so,none\n", "line 4: a third label 'none'"),
        (b"text,mark\ngood,pos\n", "line 1: expected one column 'label'"),
        (b"text,label\ngood \xff,pos\n", "line 2: byte 16 (0xff) is not UTF-8"),
        (b"\xef\xbb\xbftext,label\ngood,pos\n", "line 1: starts with a byte-order mark"),
    ],
)
def test_a_table_that_cannot_be_used_ends_in_one_line_and_leaves_nothing(tmp_path, content, message):
    (tmp_path / "bad.csv").write_bytes(content)
    runs = tmp_path / "runs"
    with pytest.raises(sentiment.UserError, match=message.replace("(", r"\(").replace(")", r"\)")) as error:
        sentiment.run(sentiment.Config(data=str(tmp_path / "bad.csv"), runs_dir=runs, track="off"))
    assert "\n" not in str(error.value)
    assert not runs.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "imbd"], "--data must be imdb, made, or the path of a .csv file, not imbd"),
        (["--data", "missing.csv"], "cannot read missing.csv: No such file or directory"),
        (["--embedding-size", "0"], "--embedding-size must be at least 1"),
        (["--word-dropout", "1"], "--word-dropout must be at least 0 and below 1"),
        (["--pool", "median"], "median"),
    ],
)
def test_mistakes_end_with_one_line_and_exit_2(tmp_path, words, message):
    done = refused("experiments.sentiment", *words, "--track", "off", "--runs-dir", tmp_path / "runs")
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_without_the_data_and_without_a_network_the_error_says_what_to_put_where(tmp_path):
    nowhere = {"https_proxy": "http://127.0.0.1:9", "no_proxy": ""}  # port 9 refuses
    words = ["--data-dir", tmp_path / "data", "--runs-dir", tmp_path / "runs", "--track", "off"]
    done = refused("experiments.sentiment", *words, env=nowhere)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    for part in ("aclImdb_v1.tar.gz", "https://ai.stanford.edu", str(tmp_path / "data" / "imdb"), "RNNKIT_DATA"):
        assert part in done.stderr
    assert not (tmp_path / "runs").exists()
    assert [path.name for path in (tmp_path / "data" / "imdb").iterdir()] == [".lock"]


def test_texts_without_words_to_count_have_no_baseline(tmp_path, capsys):
    marks = [("!" * (i + 1), "good" if i % 2 else "bad") for i in range(40)]
    table = write_table(tmp_path / "marks.csv", marks)
    result = sentiment.run(sentiment.Config(data=str(table), epochs=1, track="off", runs_dir=tmp_path / "runs"))
    assert result.status == "finished"
    assert result.comparison is None
    assert "TF-IDF + logistic regression is left out: empty vocabulary" in capsys.readouterr().out


def test_a_pipe_is_no_table(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(sentiment.UserError, match="pipe.csv: it is not a regular file"):
        sentiment.load(str(tmp_path / "pipe.csv"), None)


def test_the_books_figures_stand_beside_the_books_setting_alone():
    book = sentiment.Config()
    assert sentiment.is_the_books(book)
    assert sentiment.is_the_books(sentiment.Config(bidirectional=True, learning_rate=0.002))
    assert sentiment.is_the_books(sentiment.Config(seed=4, layers="torch", threads=2))
    for changed in (
        {"data": "made"},
        {"cell": "gru"},
        {"hidden_size": 65},
        {"pool": "mean"},
        {"bidirectional": True},
        {"epochs": 9},
    ):
        assert not sentiment.is_the_books(dataclasses.replace(book, **changed))


def test_what_is_saved_by_batches_of_like_length_is_said(tmp_path, capsys):
    config = sentiment.Config(data="made", epochs=1, order="bucketed", track="off", runs_dir=tmp_path)
    kept = Result.read(sentiment.run(config).folder).metrics
    train = sentiment.numbered("made", None, 1).train
    lengths = [len(words) for words in train.inputs]
    orders = {
        "shuffled": sequences.epoch_order(len(train), 0, 0).split(32),
        "bucketed": sequences.bucketed_order(torch.tensor(lengths), 32, 0, 0),
    }
    said = capsys.readouterr().out
    words = {"shuffled": "in batches at random", "bucketed": "of a padded batch"}
    for name, order in orders.items():
        places = sum(max(lengths[i] for i in batch.tolist()) * len(batch) for batch in order)
        assert re.search(rf"{1 - sum(lengths) / places:.1%} {words[name]}", said)
        assert kept[f"padding/{name}"] == pytest.approx(1 - sum(lengths) / places)


def test_the_baseline_to_compare_with_is_the_one_on_pairs_also_where_the_other_is_better(tmp_path, monkeypatch):
    words, pairs = sentiment.BASELINES
    right = {words: np.ones(200, dtype=bool), pairs: np.arange(200) < 20}
    monkeypatch.setattr(sentiment, "baseline", lambda data, data_dir, name: right[name])
    result = sentiment.run(sentiment.Config(data="made", epochs=1, hidden_size=2, track="off", runs_dir=tmp_path))
    assert (result.comparison.baseline, result.comparison.theirs) == (pairs, 0.1)
    assert [r.value for r in result.references] == [1.0, 0.1]
