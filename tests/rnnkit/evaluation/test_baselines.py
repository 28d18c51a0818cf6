"""Cheap models: what each answers beside plain counts and closed forms, and what it learns from."""

import sys
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from rnnkit.evaluation import baselines, rockets, summaries


def accuracy(truth, answers):
    return float((truth == answers).mean())


def told(one, inputs, targets, asked):
    """What a baseline answers, of what it reads of inputs."""
    return one.answers(one.reads(inputs), targets, one.reads(asked))


def levels(count, seed=0):
    """Series of unlike lengths whose level says the class."""
    chance = np.random.default_rng(seed)
    classes = np.arange(count) % 3
    return [chance.normal(c, 0.3, (int(chance.integers(5, 12)), 2)) for c in classes], classes


def test_the_majority_and_the_median_are_those_of_what_was_learned_from():
    targets = np.array([2, 0, 2, 1])
    assert baselines.majority().answers([], targets, [None] * 3).tolist() == [2, 2, 2]
    assert baselines.mean().answers([], np.array([1.0, 2.0, 9.0]), [None] * 2).tolist() == [2.0, 2.0]


def test_each_is_judged_on_the_validation_part_and_then_learns_from_both():
    learned = []

    def answers(inputs, targets, asked):
        learned.append((list(inputs), targets.tolist()))
        return np.full(len(asked), Counter(targets.tolist()).most_common(1)[0][0])

    one = baselines.Baseline("mode", answers)
    pairs = (["a", "b", "c"], np.array([0, 0, 1])), (["d", "e"], np.array([1, 1]))
    (found,), left_out = baselines.answered([one], *pairs, ["f"], accuracy)
    assert learned == [(["a", "b", "c"], [0, 0, 1]), (["a", "b", "c", "d", "e"], [0, 0, 1, 1, 1])]
    assert (found.valid, found.answers.tolist(), left_out) == (0.0, [1], [])


def test_what_several_read_alike_is_read_once():
    read = []

    def reads(inputs):
        read.append(len(inputs))
        return np.array([len(one) for one in inputs])

    every = [baselines.Baseline(name, lambda rows, _, asked: asked + rows.sum(), reads) for name in "ab"]
    pairs = (["a", "bb"], np.array([3, 3])), (["ccc"], np.array([6]))
    found, _ = baselines.answered(every, *pairs, ["dddd"], accuracy)
    assert read == [4]
    assert [(one.valid, one.answers.tolist()) for one in found] == [(1.0, [10]), (1.0, [10])]


def test_one_that_cannot_answer_is_named_and_the_others_go_on():
    texts = ["...", "!?", "--", ".."]  # no word in any
    pairs = (texts, np.array([0, 1, 0, 1])), (texts[:2], np.array([0, 1]))
    found, left_out = baselines.answered(baselines.of_texts(False), *pairs, texts, accuracy)
    assert found[0].name == "majority"
    assert len(left_out) == 1
    assert left_out[0].startswith("TF-IDF of words and pairs + logistic regression is left out: empty vocabulary")


@pytest.mark.parametrize("one", baselines.of_series(False)[1:-1], ids=lambda one: one.name)
def test_series_whose_level_decides_are_told_apart(one):
    (inputs, classes), (asked, truth) = levels(60), levels(30, seed=1)
    assert accuracy(truth, told(one, inputs, classes, asked)) > 0.8


@pytest.mark.parametrize("one", baselines.of_series(True)[1:-1], ids=lambda one: one.name)
def test_a_number_that_follows_the_level_is_found(one):
    inputs, _ = levels(90)
    values = np.array([series[:, 0].mean() for series in inputs])
    answers = told(one, inputs[:60], values[:60], inputs[60:])
    assert np.abs(answers - values[60:]).mean() < 0.5 * np.abs(np.median(values[:60]) - values[60:]).mean()


def test_words_and_letters_decide_texts():
    texts = [f"{'fine' if i % 2 else 'bad'} film {i}" for i in range(40)]
    labels = np.arange(40) % 2
    for one in baselines.of_texts(False)[1:]:
        assert one.answers(texts[:30], labels[:30], texts[30:]).tolist() == labels[30:].tolist()
    for one in baselines.of_texts(True)[1:]:
        answers = one.answers(texts[:30], 10.0 * labels[:30], texts[30:])
        assert ((answers > 5) == (labels[30:] == 1)).all()


def test_the_usual_tag_is_that_of_the_token_else_of_all():
    usual, neighbours = baselines.of_tags()
    inputs, tags = [["the", "saw"], ["saw", "the", "saw"]], np.array(["D", "N", "V", "D", "N"])
    assert usual.answers(inputs, tags, [["saw", "new"]]).tolist() == ["N", "D"]
    # "saw" is a noun after "the" and a verb before it: neighbours tell, the token does not.
    many, of_many = inputs * 20, np.tile(tags, 20)
    assert neighbours.answers(many, of_many, inputs).tolist() == tags.tolist()


def test_steps_are_told_apart_by_their_neighbours():
    chance = np.random.default_rng(0)
    inputs = [chance.normal(0, 1, (30, 1)) for _ in range(20)]
    tags = np.concatenate([np.concatenate([[0], (one[:-1, 0] > 0).astype(int)]) for one in inputs])
    majority, boosting = baselines.of_steps()
    cut = 15 * 30
    assert accuracy(tags[cut:], boosting.answers(inputs[:15], tags[:cut], inputs[15:])) > 0.95
    assert len(set(majority.answers(inputs[:15], tags[:cut], inputs[15:]).tolist())) == 1


def test_a_linear_forecast_is_least_squares_on_differences_from_the_last_step():
    chance = np.random.default_rng(0)
    windows = chance.normal(0, 1, (80, 4)).cumsum(1)
    targets = windows[:, -1:] + 0.5 * (windows[:, -1:] - windows[:, -2:-1]) + [[0.0, 1.0]]
    last = windows[:, -1:]
    exact = LinearRegression().fit((windows - last)[:60], (targets - last)[:60]).predict((windows - last)[60:])
    found = baselines.linear_forecast(windows[:60], targets[:60], windows[60:])
    np.testing.assert_allclose(found, exact + last[60:], atol=0.01)


@given(
    st.integers(1, 12).flatmap(
        lambda steps: st.lists(
            st.lists(st.one_of(st.just(np.nan), st.floats(-10, 10)), min_size=2, max_size=2),
            min_size=steps,
            max_size=steps,
        )
    )
)
def test_summaries_are_finite_and_as_many_for_any_length(rows):
    one = np.array(rows, np.float64)
    found = summaries.of_series([one, np.zeros((20, 2))])
    assert np.isfinite(found).all()
    filled = summaries.filled(one)
    for channel in range(2):
        there = one[~np.isnan(one[:, channel]), channel]
        assert filled[0, channel] == (there[0] if len(there) else 0.0)
        assert filled[-1, channel] == (there[-1] if len(there) else 0.0)


def test_the_summary_of_a_ramp_is_what_it_must_be():
    ramp = np.arange(9.0)[:, None]
    found = summaries.of_series([ramp])[0]
    assert found[:2].tolist() == [0.0, 8.0]  # first and last
    assert found[4:6].tolist() == [9.0, 0.0]  # steps, share missing
    assert found[6:13].tolist() == [0, 2, 4, 6, 8, 4, pytest.approx(ramp.std())]  # quantiles, mean, deviation


def test_one_whose_package_is_not_there_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "numba", None)
    (inputs, classes), every = levels(12), [baselines.majority(), baselines.of_series(False)[-1]]
    found, left_out = baselines.answered(every, (inputs, classes), (inputs, classes), inputs, accuracy)
    assert [one.name for one in found] == ["majority"]
    assert "MiniRocket needs numba, which is not installed: " in left_out[0]
    assert left_out[0].endswith(".[rocket]'")


def test_kernels_tell_shapes_apart_that_summaries_do_not():
    pytest.importorskip("sktime", reason="the extra rocket is not installed")
    chance = np.random.default_rng(0)

    def wave(kind):
        series = chance.normal(0, 0.3, (int(chance.integers(40, 60)), 1))
        place = int(chance.integers(0, len(series) - 12))
        series[place : place + 12, 0] += 2 * np.sin(np.linspace(0, 2 * np.pi, 12)) * (1 if kind else -1)
        return series

    truth = np.arange(90) % 2
    inputs = [wave(kind) for kind in truth]
    kernels = accuracy(truth[60:], rockets.answers(inputs[:60], truth[:60], inputs[60:], numbers=False))
    trees = accuracy(truth[60:], told(baselines.of_series(False)[2], inputs[:60], truth[:60], inputs[60:]))
    assert kernels > 0.95 > trees
