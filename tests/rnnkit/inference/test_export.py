"""Nets as ONNX and weights as safetensors: run by others, they answer as ours do; what does not is not written."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnkit
from rnnkit.core import UserError
from rnnkit.inference import export, onnx_graph
from rnnkit.nn import models
from tests.rnnkit.inference.made import (
    SCALED,
    classifier,
    config,
    language_model,
    model,
    of_words,
    same,
    series,
    tagger,
)


onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
pytest.importorskip("safetensors")
from safetensors import safe_open  # noqa: E402 (of an extra)
from safetensors.torch import load_file, save_file  # noqa: E402


def scores_of(path, inputs, lengths, **further):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (scores,) = session.run(["scores"], {"inputs": inputs, "lengths": np.array(lengths, np.int32), **further})
    return scores


def softmax(scores):
    exponentials = np.exp(scores.astype(np.float64) - scores.max(-1, keepdims=True))
    return exponentials / exponentials.sum(-1, keepdims=True)


@given(
    cell=st.sampled_from(["rnn", "gru", "lstm"]),
    both=st.booleans(),
    depth=st.integers(1, 3),
    pool=st.sampled_from(["last", "mean", "max", "attention", "joined"]),
    head_size=st.sampled_from([0, 5]),
    members=st.integers(1, 2),
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
)
@settings(max_examples=12)
def test_a_classifier_answers_there_as_here(tmp_path_factory, cell, both, depth, pool, head_size, members, lengths):
    """By what stands in the file alone: standardised steps in, padded with what would show if it were read."""
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    net = classifier(members, pool, head_size, cell=cell, bidirectional=both, depth=depth)
    assert export.onnx(net, path) <= export.TOLERANCE
    sequences = series(lengths)
    padded = np.full((len(lengths), max(lengths) + 2, 3), 1e4, np.float32)
    for row, one in zip(padded, sequences, strict=True):
        row[: len(one)] = (one - np.array(SCALED["means"])) / np.array(SCALED["deviations"])
    scores = scores_of(path, padded, lengths).reshape(len(lengths), members, 4)
    assert np.array(net.predict_proba(sequences)) == pytest.approx(softmax(scores).mean(1), abs=2e-5)


def test_runs_of_words_count_there_as_here(tmp_path):
    net, path = of_words(2), tmp_path / "words.onnx"
    assert export.onnx(net, path) <= export.TOLERANCE
    ids = np.array([[2, 3, 1, 3, 2], [4, 3, 9, 9, 9]]) % 6  # the second text has two words
    scores = scores_of(path, ids, [5, 2]).reshape(2, 2, 4)
    ours = net.predict_proba(["the cat unheard cat the", "sat cat"])
    assert np.array(ours) == pytest.approx(softmax(scores).mean(1), abs=1e-5)


def test_a_tagger_that_reads_letters_answers_there_as_here(tmp_path):
    net, path = tagger(), tmp_path / "tags.onnx"
    export.onnx(net, path)
    sentences = [["The", "cat"], ["sat", "the", "mat"]]
    words, letters = net.preprocessing.vocabulary, net.preprocessing.letters
    ids, spelled, counts = np.zeros((2, 3), np.int64), np.zeros((2, 3, 3), np.int64), np.zeros((2, 3), np.int32)
    for i, sentence in enumerate(sentences):
        for step, word in enumerate(sentence):
            ids[i, step] = words.index(word.lower()) if word.lower() in words else 1
            counts[i, step] = len(word)
            spelled[i, step, : len(word)] = [letters.index(c) if c in letters else 1 for c in word]
    scores = scores_of(path, ids, [2, 3], letters=spelled, letter_lengths=counts)
    for ours, theirs in zip(net.predict_proba(sentences), scores, strict=True):
        assert ours == pytest.approx(softmax(theirs[: len(ours)]), abs=1e-5)


def test_a_language_model_answers_there_as_here(tmp_path):
    net, path = language_model(cell="lstm", depth=2), tmp_path / "next.onnx"
    export.onnx(net, path)
    scores = scores_of(path, np.array([[0, 2, 3, 9]]) % 4, [3])
    assert net.predict_proba(["the cat"])[0] == pytest.approx(softmax(scores[0, 2]), abs=1e-5)


def test_what_using_it_takes_stands_in_the_file(tmp_path):
    net, path = classifier(), tmp_path / "net.onnx"
    export.onnx(net, path)
    about = {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props}
    assert about["classes"] == list(net.classes)
    assert about["rnnkit"]["preprocessing"]["means"] == list(SCALED["means"])
    inputs = {one.name for one in onnx.load(path).graph.input}
    assert inputs == {"inputs", "lengths"}


@pytest.mark.parametrize("broken", ["gates", "biases", "lengths"])
def test_a_net_that_answers_otherwise_is_not_written(tmp_path, monkeypatch, broken):
    if broken == "gates":
        monkeypatch.setitem(onnx_graph.GATES, torch.nn.GRU, [0, 1, 2])
    elif broken == "biases":
        monkeypatch.setattr(onnx_graph, "_ordered", lambda kind, rows: rows * (rows.dim() == 2))
    else:
        monkeypatch.setattr(onnx_graph.Graph, "__call__", _without_lengths(onnx_graph.Graph.__call__))
    with pytest.raises(UserError, match="gives other answers"):
        export.onnx(classifier(), tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


def _without_lengths(call):
    def changed(self, operator, *inputs, **options):
        names = ["" if operator == "GRU" and name == "lengths" else name for name in inputs]
        return call(self, operator, *names, **options)

    return changed


def test_what_has_no_operator_there_says_so(tmp_path):
    net = models.classifier(config(bidirectional=False, depth=1), 3, 4, 9)
    net.add_module("encoder", models.CutRecurrence(net.encoder))
    other = models.classifier(config(cell="peephole", depth=1), 3, 4, 9)
    with pytest.raises(UserError, match="layers of the cell peephole cannot be written as ONNX"):
        export.onnx(model(other, "series", "label", **SCALED), tmp_path / "net.onnx")
    with pytest.raises(UserError, match="layers CutRecurrence cannot be written as ONNX"):
        export.onnx(model(net, "series", "label", **SCALED), tmp_path / "net.onnx")


def test_weights_go_out_and_come_back_with_all_that_using_them_takes(tmp_path):
    for number, net in enumerate((classifier(2, "joined", 3), tagger(), language_model())):
        path = tmp_path / f"{number}.safetensors"
        export.safetensors(net, path)
        again = rnnkit.load(path)
        assert again.preprocessing == net.preprocessing
        assert again.architecture == net.architecture
        asked = series([4, 9]) if number == 0 else [["the", "cat"]]
        assert same(again.predict_proba(asked), net.predict_proba(asked))
        theirs = load_file(path)
        assert all(torch.equal(part, theirs[name]) for name, part in net.net.state_dict().items())


def test_other_files_of_weights_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    with pytest.raises(UserError, match="cannot read"):
        rnnkit.load(path)
    save_file({"a": torch.ones(2)}, path)
    with pytest.raises(UserError, match="holds weights alone, of another program"):
        rnnkit.load(path)
    path.write_bytes(b"\x80\x04 no such file")
    with pytest.raises(UserError, match="is damaged, or not a file of weights"):
        rnnkit.load(path)
    export.safetensors(classifier(), path)
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    with pytest.raises(UserError, match="is damaged, or not a file of weights"):
        rnnkit.load(path)
    with safe_open_of(tmp_path, content) as file:
        changed = json.loads(file.metadata()["rnnkit"])
    changed["net"]["settings"]["hidden_size"] = 8
    save_file(load_file(tmp_path / "whole.safetensors"), path, {"rnnkit": json.dumps(changed)})
    with pytest.raises(UserError, match="the weights are not those of the net that is described"):
        rnnkit.load(path)


def safe_open_of(folder, content):
    (folder / "whole.safetensors").write_bytes(content)
    return safe_open(folder / "whole.safetensors", framework="pt")


def test_a_difference_that_is_no_number_counts(monkeypatch, tmp_path):
    net = classifier()
    net.net.head.bias.data[0] = math.nan
    with pytest.raises(UserError, match="gives other answers"):
        export.onnx(net, tmp_path / "net.onnx")
