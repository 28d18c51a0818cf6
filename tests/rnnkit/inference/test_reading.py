"""What is read for a net: plain lines of every kind, and tables of one's own, told by their rows."""

import io
import types

import numpy as np
import pytest

from rnnkit.core import UserError
from rnnkit.datasets import jsb_chorales
from rnnkit.inference import reading
from rnnkit.nn import models
from tests.rnnkit.inference.made import classifier, config, language_model, model


def read(net, tmp_path, content):
    path = tmp_path / "asked.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return reading.sequences(net, path)


@pytest.mark.parametrize(
    ("line", "steps"),
    [
        ("1 2 3 4 5 6", [[1, 2, 3], [4, 5, 6]]),  # one step after the other
        ("1,2,3", [[1, 2, 3]]),
        ("1;2;3;", [[1, 2, 3]]),
        ("[[1, 2, 3], [4, null, 6]]", [[1, 2, 3], [4, np.nan, 6]]),
        ("1e3\tnan -2", [[1000, np.nan, -2]]),
    ],
)
def test_a_line_is_a_series(tmp_path, line, steps):
    (found,) = read(classifier(), tmp_path, line).inputs
    assert np.array_equal(found, np.array(steps, float), equal_nan=True)


def test_lines_are_numbered_and_ends_of_lines_of_any_kind_are_none_of_a_text(tmp_path):
    asked = read(language_model(), tmp_path, b"\xef\xbb\xbfthe cat\r\nthe\xc2\x85cat \xe2\x80\xa8x\r\n")
    assert asked.inputs == ["the cat", "the\x85cat \u2028x"]
    assert asked.lines == [1, 2]
    assert asked.ids == ["1", "2"]


def test_keys_by_their_numbers(tmp_path):
    names = tuple(f"key {jsb_chorales.LOWEST + n}" for n in range(jsb_chorales.KEYS))
    scale = {"means": (0.0,) * len(names), "deviations": (1.0,) * len(names)}
    net = models.tagger(config(bidirectional=False), len(names), len(names), 9)
    net = model(net, "series", "keys", channels=names, classes=names, **scale)
    (roll,) = read(net, tmp_path, "[[60, 64], [], [21]]").inputs
    assert [list(np.flatnonzero(row) + jsb_chorales.LOWEST) for row in roll] == [[60, 64], [], [21]]
    (chords,) = net.predict([roll])
    assert len(chords) == 3
    assert all(name in names for chord in chords for name in chord)
    (single,) = read(net, tmp_path, "60 64").inputs
    assert single.sum(1).tolist() == [1, 1]
    with pytest.raises(UserError, match="line 1, step 1: 7 is not a key that the net knows"):
        read(net, tmp_path, "[[60], [7]]")


def test_a_table_of_series_is_read_by_the_names_of_their_channels(tmp_path):
    path = tmp_path / "steps.csv"
    path.write_text("id,z,x,y\n" + "".join(f"{i},{i}3,{i}1,{i}2\n" for i in (1, 1, 2, 2, 2, 3)))
    net = classifier()
    asked = reading.sequences(
        types.SimpleNamespace(**vars(net) | {"experiment": "own", "settings": {"id": "id"}}), path
    )
    assert [len(one) for one in asked.inputs] == [2, 3, 1]
    assert asked.inputs[0][0].tolist() == [11, 12, 13]  # x, y, z, as it was trained
    assert asked.ids == ["1", "2", "3"]
    path.write_text("id,z,x\n1,2,3\n")
    with pytest.raises(UserError, match="has no column 'y', which the net reads"):
        reading.sequences(types.SimpleNamespace(**vars(net) | {"experiment": "own", "settings": {"id": "id"}}), path)


def test_standard_input_is_read_as_lines(monkeypatch):
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(b"1 2 3\n4 5 6")))
    assert [one.tolist() for one in reading.sequences(classifier(), None).inputs] == [[[1, 2, 3]], [[4, 5, 6]]]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UserError, match=r"cannot read .*none.txt: No such file"):
        reading.sequences(classifier(), tmp_path / "none.txt")
    with pytest.raises(UserError, match=r"none.csv is not there"):
        reading.sequences(classifier(), tmp_path / "none.csv")


def asked(monkeypatch, reads, data, given):
    """What a net of own data is asked on standard input."""
    known = types.SimpleNamespace(reads=reads, channels=(), answers="label", classes=("N", "V", "D"))
    net = types.SimpleNamespace(preprocessing=known, experiment="own", settings={"data": data, "target": "tag"})
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(given)))
    return reading.sequences(net, None).inputs


@pytest.mark.parametrize(
    ("reads", "data", "given", "inputs"),
    [
        ("tokens", "x.conll", b"Ada met Paris\n", ["Ada met Paris"]),  # its last word was read as a tag
        ("tokens", "x.conll", b"Ada met\nBo went home\n", ["Ada met", "Bo went home"]),
        ("tokens", "x.conll", b"Ada N\nmet V\n\nBo N\n", [["Ada", "met"], ["Bo"]]),
        ("tokens", "x.conll", b"Ada\nmet\n\nBo\n", [["Ada", "met"], ["Bo"]]),
        ("tokens", "x.conll", b"1 Ada N\n2 met V\n", [["1", "2"]]),
        ("words", "x.csv", b"awful cold food\n", ["awful cold food"]),  # a header alone, if it were a table
        ("words", "x.csv", b"review,tag\nawful cold food,N\nfine,V\n", ["awful cold food", "fine"]),
        ("words", "x.jsonl", b"awful food\nfine\n", ["awful food", "fine"]),
        ("words", "x.jsonl", b'{"review": "awful cold food"}\n', ["awful cold food"]),
    ],
)
def test_what_is_no_table_as_own_data_are_is_a_text_or_a_sentence_a_line(monkeypatch, reads, data, given, inputs):
    assert asked(monkeypatch, reads, data, given) == inputs


def test_columns_of_a_table_are_found_by_their_names_whatever_the_experiment(tmp_path):
    """As of one made by the recipe, which keeps a `Preprocessing` and has no settings of own data."""
    net = model(models.classifier(config(), 2, 2, "last"), "series", "label", channels=("x", "y"), classes=("a", "b"))
    path = tmp_path / "new.csv"
    path.write_text("y,id,x\n2,1,1\n4,1,3\n6,2,5\n")
    found = reading.sequences(net, path)
    assert [one.tolist() for one in found.inputs] == [[[1, 2], [3, 4]], [[5, 6]]]
    assert found.ids == ["1", "2"]
