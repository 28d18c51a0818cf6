"""What is fitted on training data: scales, vocabularies; and what is made of sequences and scores with it."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import RidgeCV

from rnnkit.core import UserError
from rnnkit.sequences import Preprocessing, preprocessing, vocabulary


SERIES = Preprocessing("series", "label", ("x", "y"), (1.0, 0.0), (2.0, 1.0), mask=True, classes=("a", "b"))
NAN = float("nan")


def test_a_missing_value_is_the_one_before_and_a_mask_says_so():
    (found,) = preprocessing.inputs(SERIES, [[[NAN, 1], [5, NAN], [NAN, NAN]]])
    assert found.tolist() == [[0, 1, 1, 0], [2, 1, 0, 1], [2, 1, 1, 1]]


@pytest.mark.parametrize("shape", [(3,), (3, 3), (0, 2), (2, 2, 2)])
def test_another_number_of_channels_is_named(shape):
    with pytest.raises(UserError, match=r"sequence 1 has the shape .* one column for each of x, y"):
        preprocessing.inputs(SERIES, [np.zeros((2, 2)), np.zeros(shape)])


@given(st.lists(st.lists(st.sampled_from(["the", "The", "xyz12", "running", "sitting", "99"]), min_size=1), min_size=1))
def test_every_token_of_training_has_a_number_and_frequent_ones_their_own(texts):
    words = preprocessing.known_words("tokens", texts, 1)
    found = Preprocessing("tokens", "tags", vocabulary=words, classes=("a", "b"))
    assert len(set(words)) == len(words)
    for text, ids in zip(texts, preprocessing.inputs(found, texts), strict=True):
        assert len(ids) == len(text)
        assert vocabulary.UNKNOWN not in ids.tolist()
        for word, number in zip(text, ids.tolist(), strict=True):
            often = sum(one.count(word) for one in texts) > 1
            assert words[number] == (word if often else preprocessing.shape(word))


def test_rare_and_new_words_go_by_their_shape():
    assert preprocessing.shape("Running") == preprocessing.shape("Sitting") == "<Xx-ing>"
    assert preprocessing.shape("1987") == preprocessing.shape("5") == "<0->"
    words = preprocessing.known_words("words", ["a a b", "a c"], least_count=2)
    assert words == ("<pad>", "<unk>", "a")
    found = Preprocessing("words", "label", vocabulary=words, longest=2)
    assert [one.tolist() for one in preprocessing.inputs(found, ["A new a", ""])] == [[2, 1], [1]]


def test_probabilities_are_the_members_mean_of_softmax():
    found = dataclasses.replace(SERIES, members=2)
    scores = torch.tensor([[0.0, 1.0, 2.0, -1.0]])
    expected = (torch.softmax(scores[:, :2].double(), 1) + torch.softmax(scores[:, 2:].double(), 1)) / 2
    np.testing.assert_allclose(preprocessing.probabilities(found, scores), expected.numpy())


def test_numbers_are_the_members_mean_in_their_own_unit():
    found = Preprocessing("series", "number", target_mean=10.0, target_deviation=2.0, members=2)
    assert preprocessing.values(found, torch.tensor([[1.0, 2.0]])).tolist() == [[13.0]]
    assert preprocessing.values(found, torch.tensor([[1.0, 2.0]]), np.array([[0.5]])).tolist() == [[13.5]]


def test_a_linear_forecast_is_the_last_value_and_weighted_differences():
    found = Preprocessing("series", "forecast", linear=((0.5, 0.0, 0.0), (0.0, 2.0, 9.0)), horizon=2)
    windows = [np.array([[1.0, 0], [3, 0], [4, 0]]), np.array([[NAN, 0], [2, 0], [NAN, 0]])]
    assert preprocessing.linear_forecast(found, windows).tolist() == [[4 - 1.5, 4 - 2.0], [2.0, 2.0]]


def test_it_is_plain_values():
    plain = dataclasses.asdict(SERIES)
    assert json.loads(json.dumps(plain)) == {k: list(v) if isinstance(v, tuple) else v for k, v in plain.items()}


def test_a_linear_forecast_is_ridge_regression_on_differences():
    generator = np.random.default_rng(0)
    rows, targets = generator.normal(size=(50, 4)), generator.normal(size=(50, 2))
    ridge = RidgeCV(np.logspace(-2, 4, 13), fit_intercept=False).fit(rows - rows[:, -1:], targets - rows[:, -1:])
    assert np.array(preprocessing.linear_weights(rows, targets)) == pytest.approx(ridge.coef_, rel=1e-5, abs=1e-9)
