"""What is fitted on training data: scales, vocabularies; and what is made of sequences and scores with it."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from rnnkit.core import UserError
from rnnkit.sequences import Preprocessing, preprocessing, vocabulary


SERIES = Preprocessing("series", "label", ("x", "y"), (1.0, 0.0), (2.0, 1.0), mask=True, classes=("a", "b"))
NAN = float("nan")


def test_the_scale_is_scikit_learns_over_all_steps():
    chance = np.random.default_rng(0)
    parts = [chance.normal((3, -1, 7), (2, 0.1, 5), (n, 3)) for n in (5, 1, 30)]
    parts[0][2, 1] = parts[2][7, 0] = np.nan
    means, deviations, missing = preprocessing.scale(parts)
    expected = StandardScaler().fit(np.concatenate(parts))
    np.testing.assert_allclose(means, expected.mean_)
    np.testing.assert_allclose(deviations, expected.scale_)
    assert missing


def test_by_place_the_scale_is_scikit_learns_of_the_columns_of_a_table():
    chance = np.random.default_rng(0)
    table = chance.normal((3, -1, 700), (2, 0.01, 500), (20, 3))
    means, deviations, missing = preprocessing.scale_by_place([row[:, None] for row in table])
    assert not missing
    known = Preprocessing("series", "label", ("x",), means, deviations, places=3)
    found = torch.stack(preprocessing.inputs(known, table)).squeeze(2)
    np.testing.assert_allclose(found, StandardScaler().fit_transform(table), atol=1e-4)
    with pytest.raises(UserError, match="sequence 1 has 2 steps: give 3, as each of them is scaled by itself"):
        preprocessing.inputs(known, [table[0], table[1, :2]])


def test_a_channel_that_never_changes_is_left_in_its_unit():
    assert preprocessing.scale([np.full((4, 1), 5.0)]) == ((5.0,), (1.0,), False)


def test_a_missing_value_is_the_one_before_and_a_mask_says_so():
    (found,) = preprocessing.inputs(SERIES, [[[NAN, 1], [5, NAN], [NAN, NAN]]])
    assert found.tolist() == [[0, 1, 1, 0], [2, 1, 0, 1], [2, 1, 1, 1]]


def test_differences_are_what_each_channel_has_changed_by_in_deviations_of_training():
    chance = np.random.default_rng(0)
    train = [chance.normal((3, -1), (2, 0.1), (n, 2)) for n in (5, 1, 30)]
    deviations = preprocessing.deviations_of_differences(SERIES, train)
    steps = np.concatenate([np.diff((one - (1.0, 0.0)) / (2.0, 1.0), axis=0) for one in train])
    np.testing.assert_allclose(deviations, np.sqrt((steps**2).mean(0)), rtol=1e-4)
    known = dataclasses.replace(SERIES, differences=(0.5, 2.0))
    (found,) = preprocessing.inputs(known, [[[1, 1], [5, NAN], [NAN, 5]]])
    assert found[:, :4].equal(preprocessing.inputs(SERIES, [[[1, 1], [5, NAN], [NAN, 5]]])[0])
    assert found[:, 4:].tolist() == [[0, 0], [4, 0], [0, 2]]
    assert found.shape[1] == known.features


def test_a_channel_that_never_changes_has_differences_in_its_unit():
    assert preprocessing.deviations_of_differences(SERIES, [np.ones((1, 2)), np.full((4, 2), 5.0)]) == (1.0, 1.0)


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
