"""scikit-learn's own checks of estimators, and its tools on sequences of unlike lengths."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, KFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from rnnkit import RNNClassifier, RNNForecaster, RNNRegressor, RNNTagger


QUICK = {"epochs": 1, "hidden_size": 4, "folds": 1, "runs_dir": None, "observe": "off", "random_state": 0}

# scikit-learn's checks that do not fit sequences of unlike lengths, each with its reason.
STEPS = "a row's columns are steps here, and sequences may have more or fewer of them than those learned from"
LEFT_OUT = {
    "check_n_features_in": STEPS,
    "check_n_features_in_after_fitting": STEPS,
    "check_classifiers_train": f"after an epoch accuracy is not .83 yet; and {STEPS}",
    "check_regressors_train": f"after an epoch R2 is not .5 yet; and {STEPS}",
}


@parametrize_with_checks(
    [RNNClassifier(**QUICK), RNNRegressor(**QUICK)], expected_failed_checks=lambda _: LEFT_OUT, xfail_strict=True
)
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def ragged(count=40, channels=2, seed=0):
    """Series of unlike lengths; the class is the sign of the first value."""
    generator = np.random.default_rng(seed)
    found = [generator.normal(size=(generator.integers(3, 9), channels)).astype(np.float32) for _ in range(count)]
    return found, np.array(["up" if one[0, 0] > 0 else "down" for one in found])


def test_it_goes_through_a_pipeline_and_cross_validation():
    x, y = ragged()
    doubled = FunctionTransformer(lambda rows: [2 * one for one in rows])
    scores = cross_val_score(make_pipeline(doubled, RNNClassifier(**QUICK)), x, y, cv=2)
    assert scores.shape == (2,)
    by_hand = []
    for train, test in KFold(2).split(x):
        model = RNNClassifier(**QUICK).fit([2 * x[i] for i in train], y[train])
        by_hand.append(model.score([2 * x[i] for i in test], y[test]))
    piped = cross_val_score(make_pipeline(doubled, RNNClassifier(**QUICK)), x, y, cv=KFold(2))
    assert piped.tolist() == by_hand


def test_settings_are_searched_for_on_sequences_of_unlike_lengths():
    x, y = ragged()
    search = GridSearchCV(RNNClassifier(**QUICK), {"cell": ["rnn", "lstm"], "pool": ["last"]}, cv=2).fit(x, y)
    assert search.best_params_["cell"] in ("rnn", "lstm")
    assert len(search.cv_results_["params"]) == 2
    assert set(search.predict(x)) <= {"up", "down"}
    assert search.best_estimator_.model_.settings["cell"] == search.best_params_["cell"]


def test_a_tagger_and_a_forecaster_go_through_cross_validation_too():
    words = [["a", "b", "c", "d"][i % 3 :] for i in range(30)]
    tags = [[word.upper() for word in one] for one in words]
    assert cross_val_score(RNNTagger(**QUICK), words, tags, cv=2).shape == (2,)
    series = [np.sin(np.arange(30 + i) / 2) for i in range(6)]
    scores = cross_val_score(RNNForecaster(horizon=2, context=8, **{**QUICK, "folds": "auto"}), series, cv=2)
    assert (scores > 0.9).all()


@pytest.mark.parametrize("kind", [RNNClassifier, RNNRegressor, RNNTagger, RNNForecaster])
def test_a_clone_has_the_parameters_and_nothing_that_was_learned(kind):
    one = kind(**QUICK, cell="lstm", time_limit=3.5)
    other = clone(one)
    assert other is not one
    assert other.get_params() == one.get_params()
    assert other.set_params(depth=2).depth == 2
    assert repr(one).startswith(kind.__name__)
    with pytest.raises(ValueError, match="Invalid parameter 'hidden'"):
        one.set_params(hidden=3)


def test_probabilities_belong_to_the_classes_in_their_order():
    x, y = ragged()
    model = RNNClassifier(**QUICK).fit(x, y)
    shares = model.predict_proba(x)
    assert model.classes_.tolist() == ["down", "up"]
    assert shares.sum(1) == pytest.approx(1)
    assert model.predict(x).tolist() == model.classes_[shares.argmax(1)].tolist()
    assert cross_val_predict(RNNClassifier(**QUICK), x, y, cv=2, method="predict_proba").shape == (40, 2)


def test_a_fitted_one_goes_through_pickle_as_those_of_scikit_learn_do():
    x, y = ragged()
    model = RNNClassifier(**QUICK).fit(x, y)
    again = pickle.loads(pickle.dumps(model))  # noqa: S301 (its own bytes)
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))
