"""Configurations by the mean over their trials, against a sum by hand."""

import math
from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from sweeps import ranking


ITEM = st.tuples(
    st.sampled_from("abcd"), st.one_of(st.none(), st.sampled_from([math.nan, math.inf, 0.0, 1.0, 2.0, 7.0]))
)


@given(st.lists(ITEM, max_size=12), st.sampled_from([1, -1]))
def test_groups_are_whole_and_stand_by_their_means(items: list[tuple[str, float | None]], sign: int):
    found = ranking.best_first(items, lambda one: one[0], lambda one: one[1], lambda value: sign * value)
    wanted: dict[str, list[float]] = defaultdict(list)
    for name, value in items:
        if value is not None and math.isfinite(value):
            wanted[name].append(value)
    assert {group[0][0]: [value for _, value in group] for group in found} == wanted
    means = [sign * sum(wanted[group[0][0]]) / len(group) for group in found]
    assert means == sorted(means, reverse=True)
    first = [list(wanted).index(group[0][0]) for group in found]
    assert all(first[i] < first[i + 1] for i in range(len(found) - 1) if means[i] == means[i + 1])


def test_the_order_of_settings_plays_no_role():
    assert ranking.key({"depth": 1, "cell": "gru"}) == ranking.key({"cell": "gru", "depth": 1})
    assert ranking.key({"depth": 1}) != ranking.key({"depth": 2})
