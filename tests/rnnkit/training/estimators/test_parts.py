"""What is given, windows, reports: each beside an independent truth."""

import re

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from rnnkit.training.estimators import report, windows
from rnnkit.training.estimators.given import Given, labels, numbers, sequences, sha256, tags


@pytest.mark.parametrize(
    ("x", "lengths"),
    [
        ([np.zeros((3, 2)), np.zeros((5, 2))], [3, 5]),
        ([[1, 2, 3], [4]], [3, 1]),
        ([[[1, 2], [3, 4]], [[5, 6]]], [2, 1]),
        (np.zeros((4, 6, 2)), [6, 6, 6, 6]),
        (np.array([[1, 2, np.nan], [1, np.nan, 3], [np.nan, np.nan, np.nan]]), [2, 3, 1]),  # NaN behind the end is none
        (np.array([np.zeros(2), np.zeros(3)], dtype=object), [2, 3]),
        (torch.zeros(2, 3, 1), [3, 3]),
        ((one for one in ([1, 2], [3])), [2, 1]),
    ],
)
def test_series_of_every_form(x, lengths):
    found = sequences(x)
    assert found.reads == "series"
    assert [len(one) for one in found.inputs] == lengths
    assert all(one.dtype == np.float32 and one.ndim == 2 for one in found.inputs)


def test_texts_and_tokens():
    assert sequences(["a b", "c"]) == Given("text", ["a b", "c"])
    assert sequences(np.array(["a b", "c"])) == Given("text", ["a b", "c"])
    assert sequences([["a", "b"], ("c",)]) == Given("tokens", [["a", "b"], ["c"]])


@pytest.mark.parametrize(
    ("x", "said"),
    [
        ("a text", "give a list of texts"),
        ([], r"0 sample\(s\)"),
        (np.zeros((0, 3)), r"0 sample\(s\)"),
        ([[1, 2], []], r"X\[1\] has the shape \(0, 1\)"),
        ([np.zeros((2, 3)), np.zeros((2, 4))], r"X\[1\] has 4 channels, X\[0\] has 3"),
        ([[1, 2], "a"], r"X\[1\] is a text, and others are none"),
        ([[1, 2], [3, np.inf]], r"X\[1\] holds infinity"),
        ([[1, 2], [3, 1e300]], r"X\[1\] holds infinity, or a value too large"),
        ([[1, 2], [3, "x"]], r"X\[1\] is not an array of numbers"),
        ([[1, 2], [1j]], "Complex data not supported"),
        (np.zeros((1, 2, 3, 4)), "Found array with dim 4"),
        (np.zeros(4), "Expected 2D array, got 1D array instead"),
    ],
)
def test_what_is_no_sequence_is_named(x, said):
    with pytest.raises(ValueError, match=said):
        sequences(x)


def test_sparse_rows_are_none():
    with pytest.raises(TypeError, match="Sparse data was passed"):
        sequences(scipy.sparse.csr_matrix(np.eye(3)))


def test_targets_that_do_not_fit_are_named():
    assert labels(["b", "a", "b"], 3)[1].tolist() == [1, 0, 1]
    assert numbers([1, 2.5], 2).tolist() == [1, 2.5]
    classes, rows = tags([["N", "V"], ["V"]], [["x", "y"], ["z"]])
    assert (classes.tolist(), [row.tolist() for row in rows]) == (["N", "V"], [[0, 1], [1]])
    for call, said in (
        (lambda: labels([1, 1], 2), "one class alone"),
        (lambda: labels([1, 2], 3), "inconsistent numbers of samples"),
        (lambda: labels([1, np.nan], 2), "NaN"),
        (lambda: labels(np.array(["a", np.nan], dtype=object), 2), "NaN"),
        (lambda: numbers(["a", "b"], 2), "y holds something that is not a number"),
        (lambda: numbers([1, np.inf], 2), "infinity"),
        (lambda: numbers(None, 2), "requires y to be passed"),
        (lambda: tags([["N"], ["V"]], [["x", "y"], ["z"]]), re.escape("y[0] has the shape (1,), and X[0] has 2 steps")),
        (lambda: tags([["N"]], [["x"], ["z"]]), "X has 2 sequences, and y has 1"),
        (lambda: tags([["N"], ["N"]], [["x"], ["z"]]), "one tag alone"),
    ):
        with pytest.raises(ValueError, match=said):
            call()


def test_other_data_have_another_checksum():
    one = Given("series", [np.zeros((2, 1), np.float32), np.ones((1, 1), np.float32)], 1)
    other = Given("series", [np.zeros((1, 1), np.float32), np.ones((2, 1), np.float32)], 1)
    sums = {sha256(one, np.array([0, 1])), sha256(other, np.array([0, 1])), sha256(one, np.array([1, 0]))}
    sums |= {sha256(one, np.array(["a", "b"])), sha256(one, [np.array([0]), np.array([1])])}
    assert len(sums) == 5
    assert sha256(one, np.array([0, 1])) == sha256(one, np.array([0, 1]))


@given(
    lengths=st.lists(st.integers(20, 60), min_size=1, max_size=4),
    context=st.integers(2, 6),
    horizon=st.integers(1, 3),
    share=st.floats(0.2, 0.5),
)
@settings(max_examples=15)
def test_windows_are_followed_by_their_values_and_parts_by_time(lengths, context, horizon, share):
    series = [np.arange(n, dtype=np.float32)[:, None] + 1000 * i for i, n in enumerate(lengths)]
    cut, targets, late = windows.cut(series, context, horizon, share)
    for window, after, validates in zip(cut, targets, late, strict=True):
        assert window[:, 0].tolist() == [window[0, 0] + k for k in range(context)]
        assert after.tolist() == [window[-1, 0] + 1 + k for k in range(horizon)]
        border = int(lengths[int(after[0] // 1000)] * (1 - share))
        assert validates == (after[0] % 1000 >= border)
        assert validates or after[-1] % 1000 < border  # nothing that validates has been seen
    assert len(cut) == sum(n - context - horizon + 1 for n in lengths) - (horizon - 1) * len(lengths)


def test_windows_with_missing_values_to_foretell_are_left_out():
    series = np.arange(30, dtype=np.float32)[:, None]
    series[10] = np.nan
    cut, targets, _ = windows.cut([series], 3, 2, 0.3)
    assert not np.isnan(targets).any()
    assert any(np.isnan(one).any() for one in cut)
    with pytest.raises(ValueError, match="too short for a context of 3 and a horizon of 9"):
        windows.cut([series[:12]], 3, 9, 0.3)


def test_the_context_is_two_seasons_or_an_eighth():
    season = np.sin(2 * np.pi * np.arange(300) / 12)[:, None]
    assert windows.context_of([season], 1) == 24
    assert windows.context_of([np.random.default_rng(0).normal(size=(200, 1))], 1) == 25


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=60))
@settings(max_examples=15)
def test_scores_of_classes_are_scikit_learns(pairs):
    truth, given_ = (np.array(part) for part in zip(*pairs, strict=True))
    lines = report.of_classes(("a", "b", "c", "d"), truth, given_)
    scores = precision_recall_fscore_support(truth, given_, labels=range(4), zero_division=0)
    for number, line in enumerate(lines[1:5]):
        _, *values = line.split()
        assert values == [*(f"{scores[i][number]:.4f}" for i in range(3)), str(int(scores[3][number]))]
    wrong = {}
    for pair in pairs:
        if pair[0] != pair[1]:
            wrong[pair] = wrong.get(pair, 0) + 1
    told = [int(n) for n in re.findall(r"(\d+) times?", "\n".join(lines))]
    assert told == sorted(wrong.values(), reverse=True)[:5]
    unsaid = {0, 1, 2, 3} - set(given_.tolist())
    last = lines[-1]
    if len(unsaid) == 3:
        assert "is always answered: the net has learned no difference" in last
    elif unsaid:
        assert last == "never answered: " + ", ".join(repr("abcd"[number]) for number in sorted(unsaid))


def test_overfitting_is_told_by_the_epoch_with_the_lowest_loss():
    losses = [(10, 1.0), (20, 0.5), (30, 0.7), (40, 0.9)]
    (line,) = report.overfitting(losses, by_epoch=10)
    assert line.startswith(
        "overfitting since epoch 2.0 of 4.0: there the validation loss was lowest, 0.5; it ends at 0.9"
    )
    assert report.overfitting([(10, 1.0), (20, 0.5), (30, 0.54)], 10) == []
    assert report.overfitting([(10, 0.1), (20, 0.5)], 10) == []
