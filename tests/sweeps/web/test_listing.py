"""Which runs a list shows, in which order."""

from pathlib import Path

import pytest

from sweeps.reading import Card
from sweeps.web.listing import COLUMNS, FIRST, NUMBERS, TEXTS, listing


CARDS = [
    Card("b", Path("b"), "finished", study="one", value=0.5, config={"cell": "gru", "hidden_size": 8}),
    Card("a", Path("a"), "failed", value=None, config={"cell": "lstm", "hidden_size": 16}),
    Card("c", Path("c"), "finished", value=0.75, config={"hidden_size": "wide"}),
    Card("d", Path("d"), "finished", value=float("nan"), metric="metric/accuracy/valid"),
]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ({}, "bacd"),
        ({"state": "finished"}, "bcd"),
        ({"state": "finished", "study": "one"}, "b"),
        ({"words": "LSTM fail"}, "a"),
        ({"words": "hidden_size 16"}, "a"),
        ({"words": "nothing"}, ""),
        ({"sort": "run", "order": "ascending"}, "abcd"),
        ({"sort": "run"}, "dcba"),
        ({"sort": "validation"}, "cbad"),
        ({"sort": "validation", "order": "ascending"}, "bcad"),
        ({"sort": "cell", "order": "ascending"}, "bacd"),
        ({"sort": "hidden size"}, "abcd"),
        ({"sort": "__class__", "order": "<b>", "state": ""}, "bacd"),
    ],
)
def test_runs_that_fit_in_the_order_that_was_asked_for(asked, names):
    """What has no value comes last either way, and a column or order that there is none of changes nothing."""
    assert "".join(card.name for card in listing(CARDS, asked).shown) == names


def test_many_are_cut_and_counted():
    many = [Card(f"{i}", Path(), "finished") for i in range(FIRST + 5)]
    assert listing(many, {}).in_words == f"{FIRST + 5} of {FIRST + 5}, the first {FIRST} are shown"
    assert listing(many, {"all": "yes"}).shown == many
    assert listing(many, {"words": "17"}).in_words == f"{sum('17' in card.name for card in many)} of {len(many)}"


def test_each_column_can_be_sorted_by():
    assert {*COLUMNS} == {*TEXTS, *NUMBERS}
