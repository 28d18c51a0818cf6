"""Step by step with the state carried: the same bits as the whole sequence."""

import numpy as np
import pytest

from rnnkit.core import UserError
from rnnkit.nn import models
from tests.rnnkit.inference.made import (
    SCALED,
    WORDS,
    classifier,
    config,
    language_model,
    model,
    of_words,
    same,
    series,
    tagger,
)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("pool", ["last", "mean", "max", "joined"])
def test_after_each_step_it_says_what_predict_says_of_all_so_far(cell, pool):
    net = classifier(2, pool, head_size=4, cell=cell, depth=2, bidirectional=False)
    (sequence,) = series([12])
    stream = net.stream()
    steps = [stream.step(row).probabilities for row in sequence]
    assert same(steps, net.predict_proba([sequence[: n + 1] for n in range(12)]))


def test_each_step_is_tagged_as_in_the_whole_sentence():
    net, words = tagger(bidirectional=False, depth=2), ["The", "cat", "sat", "unheard", "the"]
    stream = net.stream()
    answers = [stream.step(word) for word in words]
    assert same([answer.probabilities[0] for answer in answers], net.predict_proba([words])[0])
    assert [answer.prediction[0] for answer in answers] == net.predict([words])[0]


def test_runs_of_words_count_as_they_come():
    net, words = of_words(2, bidirectional=False), ["The", "cat", "sat", "unheard", "the", "cat"]
    stream = net.stream()
    steps = [stream.step(word).probabilities for word in words]
    assert same(steps, net.predict_proba([" ".join(words[: n + 1]) for n in range(6)]))


def test_a_text_goes_on_after_its_start():
    net, words = language_model(cell="lstm", depth=2), ["the", "cat", "the"]
    stream = net.stream()
    steps = [stream.step(word).probabilities for word in words]
    assert same(steps, net.predict_proba([words[: n + 1] for n in range(3)]))


def test_a_missing_value_is_the_one_before_it_and_differences_are_from_that():
    net = models.classifier(config(bidirectional=False), 9, 4, 9)
    net = model(net, "series", "label", mask=True, differences=(0.5, 1.0, 2.0), **SCALED)
    (sequence,) = series([6])
    sequence[[0, 2, 3], [1, 0, 0]] = np.nan
    stream = net.stream()
    steps = [stream.step(row).probabilities for row in sequence]
    assert same(steps, net.predict_proba([sequence[: n + 1] for n in range(6)]))


def test_what_needs_the_whole_sequence_says_why():
    by_place = {"means": (0.0,) * 6, "deviations": (1.0,) * 6, "places": 2, "channels": ("x", "y", "z")}
    placed = models.classifier(config(bidirectional=False), 3, 4, 9)
    for net, why in (
        (model(placed, "series", "label", **by_place), "it reads 2 steps, each scaled by its place"),
        (classifier(), "it reads from both ends: train one with --no-bidirectional"),
        (classifier(pool="attention", bidirectional=False), "its attention weighs all steps together"),
    ):
        with pytest.raises(UserError, match=f"cannot be fed step by step: {why}"):
            net.stream()


def test_scores_that_are_no_numbers_are_no_answer():
    net = classifier(bidirectional=False)
    net.net.head.bias.data[1] = np.nan
    with pytest.raises(UserError, match="the net's scores are not finite numbers"):
        net.stream().step([1.0, 2.0, 3.0])


def test_a_step_is_one_step():
    with pytest.raises(UserError, match=r"a step has 2 numbers: give 3, one for each of x, y, z"):
        classifier(bidirectional=False).stream().step([1.0, 2.0])
    words = models.classifier(config(bidirectional=False), 3, 4, 9, vocabulary=6)
    stream = model(words, "words", "label", vocabulary=WORDS).stream()
    with pytest.raises(UserError, match="'the cat' is 2 steps: give them one by one"):
        stream.step("the cat")
