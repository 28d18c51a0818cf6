"""What series are standardised by: scikit-learn's own scale, over all steps or by place, and of differences."""

import dataclasses

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from rnnkit.core import UserError
from rnnkit.sequences import Preprocessing, preprocessing, scaling


SERIES = Preprocessing("series", "label", ("x", "y"), (1.0, 0.0), (2.0, 1.0), mask=True, classes=("a", "b"))
NAN = float("nan")


def test_the_scale_is_scikit_learns_over_all_steps():
    chance = np.random.default_rng(0)
    parts = [chance.normal((3, -1, 7), (2, 0.1, 5), (n, 3)) for n in (5, 1, 30)]
    parts[0][2, 1] = parts[2][7, 0] = np.nan
    means, deviations, missing = scaling.scale(parts)
    expected = StandardScaler().fit(np.concatenate(parts))
    np.testing.assert_allclose(means, expected.mean_)
    np.testing.assert_allclose(deviations, expected.scale_)
    assert missing


def test_by_place_the_scale_is_scikit_learns_of_the_columns_of_a_table():
    chance = np.random.default_rng(0)
    table = chance.normal((3, -1, 700), (2, 0.01, 500), (20, 3))
    means, deviations, missing = scaling.scale_by_place([row[:, None] for row in table])
    assert not missing
    known = Preprocessing("series", "label", ("x",), means, deviations, places=3)
    found = torch.stack(preprocessing.inputs(known, table)).squeeze(2)
    np.testing.assert_allclose(found, StandardScaler().fit_transform(table), atol=1e-4)
    with pytest.raises(UserError, match="sequence 1 has 2 steps: give 3, as each of them is scaled by itself"):
        preprocessing.inputs(known, [table[0], table[1, :2]])


def test_a_channel_that_never_changes_is_left_in_its_unit():
    assert scaling.scale([np.full((4, 1), 5.0)]) == ((5.0,), (1.0,), False)


def test_differences_are_what_each_channel_has_changed_by_in_deviations_of_training():
    chance = np.random.default_rng(0)
    train = [chance.normal((3, -1), (2, 0.1), (n, 2)) for n in (5, 1, 30)]
    deviations = scaling.deviations_of_differences(SERIES, train)
    steps = np.concatenate([np.diff((one - (1.0, 0.0)) / (2.0, 1.0), axis=0) for one in train])
    np.testing.assert_allclose(deviations, np.sqrt((steps**2).mean(0)), rtol=1e-4)
    known = dataclasses.replace(SERIES, differences=(0.5, 2.0))
    (found,) = preprocessing.inputs(known, [[[1, 1], [5, NAN], [NAN, 5]]])
    assert found[:, :4].equal(preprocessing.inputs(SERIES, [[[1, 1], [5, NAN], [NAN, 5]]])[0])
    assert found[:, 4:].tolist() == [[0, 0], [4, 0], [0, 2]]
    assert found.shape[1] == known.features


def test_a_channel_that_never_changes_has_differences_in_its_unit():
    assert scaling.deviations_of_differences(SERIES, [np.ones((1, 2)), np.full((4, 2), 5.0)]) == (1.0, 1.0)
