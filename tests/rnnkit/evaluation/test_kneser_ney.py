"""Counts of words by Kneser and Ney, against the equation spelled out over tuples."""

import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnkit.datasets import ptb
from rnnkit.datasets.formats import word_lines
from rnnkit.evaluation import ngram
from tests.helpers import data_at_hand


SYMBOLS = 4


def text(least=1, most=30):
    return st.lists(st.integers(0, SYMBOLS - 1), min_size=least, max_size=most)


def counted(train, length, order):
    """c(hw) of the docstring for all hw of this length."""
    if length == order:
        return Counter(tuple(train[i : i + length]) for i in range(len(train) - length + 1))
    before = defaultdict(set)
    for i in range(1, len(train) - length + 1):
        before[tuple(train[i : i + length])].add(train[i - 1])
    return Counter({gram: len(symbols) for gram, symbols in before.items()})


def probability(symbol, context, train, order):
    shorter = probability(symbol, context[1:], train, order) if context else 1 / SYMBOLS
    counts = counted(train, len(context) + 1, order)
    ones, twos = (sum(count == n for count in counts.values()) for n in (1, 2))
    d = ones / (ones + 2 * twos) if ones else 0.5
    after = [count for gram, count in counts.items() if gram[:-1] == context]
    if not after:
        return shorter
    return (max(counts[*context, symbol] - d, 0) + d * len(after) * shorter) / sum(after)


@given(text(), text(), st.integers(1, 5))
def test_the_equation(train, test, order):
    contexts = [tuple(test[max(0, i - order + 1) : i]) for i in range(1, len(test))]
    expected = [-math.log(probability(w, h, train, order)) for w, h in zip(test[1:], contexts, strict=True)]
    nats = ngram.kneser_ney(np.array(train), np.array(test), SYMBOLS, order)
    np.testing.assert_allclose(nats, expected, rtol=1e-12, atol=1e-12)


@given(text(), text(most=6), st.integers(1, 5))
def test_the_probabilities_of_all_symbols_sum_to_one(train, context, order):
    each = [ngram.kneser_ney(np.array(train), np.array([*context, w]), SYMBOLS, order)[-1] for w in range(SYMBOLS)]
    assert np.exp(-np.array(each)).sum() == pytest.approx(1)


def test_penn_treebanks_published_perplexity():
    # Mikolov et al. (Empirical evaluation ..., 2011) give 141.2 for 5 words with three discounts where we have one.
    source = ptb.load(data_at_hand("ptb"))
    words = word_lines.vocabulary(source.train, 0)
    numbers = {word: number for number, word in enumerate(words)}
    train, test = (np.array([numbers[w] for w in ("<eos>", *part)]) for part in (source.train, source.test))
    nats = ngram.kneser_ney(train, test, len(words))
    assert len(nats) == 82_430
    assert math.exp(nats.mean()) == pytest.approx(141.2, rel=0.03)
