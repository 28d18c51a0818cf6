import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnkit.core.errors import UserError
from rnnkit.evaluation import ngram


def texts(symbols="abc", least=0):
    return st.text(st.sampled_from(symbols), min_size=least, max_size=25)


def probability(symbol, context, train, symbols):
    """The equation of the docstring, word for word; a context that was never seen says nothing."""
    shorter = probability(symbol, context[1:], train, symbols) if context else 1 / symbols
    after = [train[i + len(context)] for i in range(len(train) - len(context)) if train[i:].startswith(context)]
    if not after:
        return shorter
    kinds = len(set(after))
    return (after.count(symbol) + kinds * shorter) / (len(after) + kinds)


@given(texts(), texts(least=2), st.integers(0, 5))
def test_the_equation(train, test, order):
    symbols = len(set(train + test))
    contexts = [test[max(0, i - order + 1) : i] if order else "" for i in range(len(test))]
    if order == 0:
        expected = math.log2(symbols)
    else:
        bits = [-math.log2(probability(c, h, train, symbols)) for c, h in zip(test, contexts, strict=True)]
        expected = sum(bits[1:]) / (len(test) - 1)
    assert ngram.bits_per_character(train, test, symbols, order) == pytest.approx(expected, abs=1e-12)


@given(texts(), texts(least=1), st.integers(1, 6))
def test_the_probabilities_of_all_symbols_sum_to_one(train, context, order):
    train += "abc"  # all symbols, so that each is given its share
    rest = len(context) - 1
    before = ngram.bits_per_character(train, context, 3, order) * rest if rest else 0
    after = [ngram.bits_per_character(train, context + symbol, 3, order) * (rest + 1) for symbol in "abc"]
    assert sum(2 ** (before - bits) for bits in after) == pytest.approx(1)


@pytest.mark.parametrize("order", [1, 2, 6])
def test_one_symbol_alone_costs_nothing(order):
    assert ngram.bits_per_character("a" * 20, "a" * 7, 1, order) == 0


def test_by_hand():
    # a after 7 a's: (7 + 1/2) / 8; b, which never came: (0 + 1/2) / 8. Two symbols, order 1.
    assert ngram.bits_per_character("a" * 7, "a" * 4 + "b", 2, 1) == pytest.approx(
        -(3 * math.log2(15 / 16) + math.log2(1 / 16)) / 4
    )
    # Order 2, text aab after abab. By counts of one symbol a has (2 + 2/2) / 6 = 1/2; a after a (twice b):
    # (0 + 1/2) / 3; b after a: (2 + 1/2) / 3.
    assert ngram.bits_per_character("abab", "aab", 2, 2) == pytest.approx(-(math.log2(1 / 6) + math.log2(5 / 6)) / 2)


def test_symbols_that_were_never_seen_cost_their_equal_share():
    assert ngram.bits_per_character("", "abcd", 4) == 2
    assert ngram.bits_per_character("a", "bcd", 4, order=0) == 2


def test_a_longer_order_costs_less_where_it_decides():
    text = "abacadabra abacus " * 60
    costs = [ngram.bits_per_character(text, text, len(set(text)), order) for order in range(1, 7)]
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == 6
    assert costs[-1] < 0.2 < 2 < costs[0]


def test_nothing_to_measure_on_is_one_line():
    for test in ("", "a"):
        with pytest.raises(UserError, match="^no text to measure on"):
            ngram.bits_per_character("abc", test, 3)
