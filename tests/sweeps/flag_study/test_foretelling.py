"""Foretelling on made banks whose answer is known: one that signs decide, one that chance does, one that tasks do."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sweeps.flag_study import foretelling
from sweeps.flag_study.entries import Entry


FAMILIES, CELLS = ("adding", "copying", "reber", "music"), ("rnn", "gru", "lstm")


def made(rule, count=120, moments=5, seed=0):
    """A bank of eight tasks: `rule(signs, family, generator)` says whether a net learns."""
    generator = np.random.default_rng(seed)
    entries = []
    for number in range(count):
        family = FAMILIES[number % 4]
        look = dict(zip(("learning rate", "b", "c"), generator.normal(size=3).tolist(), strict=True))
        learns = rule(look, family, generator)
        settings = {"cell": CELLS[number // 8 % 3]}
        curve = [1.0, *[1.0] * 20]
        looks = [look, *[{}] * (moments - 1)]
        loss = 0.1 if learns else 1.0
        task = f"{family} {number // 4 % 2}"
        entries.append(
            Entry(number, task, family, settings, "finished", loss, (1.0, 0.0), curve, looks, (1.0, 0.0, 0.0))
        )
    return entries


def by_a(look, family, generator):
    return look["learning rate"] + generator.normal() / 4 > 0


def judged(entries, moment=0, groups="families", beginnings=("before", "now")):
    known = foretelling.at(entries, moment).of(lambda name: name.startswith(tuple(beginnings)))
    return known, foretelling.held_out(known, getattr(known, groups))


def inside(known, chances):
    return foretelling.interval(foretelling.within(known, chances), len(np.unique(known.tasks)))


def test_a_sign_that_decides_foretells_and_others_do_not():
    known, found = judged(made(by_a))
    value, low, high = inside(known, found)
    assert 0.9 < low <= value <= high <= 1
    noise, others = judged(made(by_a), 0, "families", ["before: b"])
    assert 0.35 < inside(noise, others)[0] < 0.65
    assert foretelling.ahead(known, found, others)[1] > 0.2  # better for sure
    assert (found[known.learned] < 0.1).mean() < 0.1
    assert (found[~known.learned] < 0.1).mean() > 0.6
    assert foretelling.miscalibration(found, known.learned) < 0.12


def test_what_is_bad_on_both_sides_is_seen():
    known, found = judged(
        made(lambda look, *_: abs(look["learning rate"]) < 0.7), 0, "cells", ["before: learning rate"]
    )
    assert foretelling.whole(known, found)(np.arange(8)) > 0.9


def test_where_chance_decides_nothing_is_foretold():
    known, found = judged(made(lambda look, family, generator: generator.random() < 0.4), 0, "cells")
    _, low, high = inside(known, found)
    assert low < 0.55
    assert high > 0.45
    assert found.std() < 0.1


def test_what_holds_in_one_family_alone_does_not_count():
    """The sign points the other way in each second family: whoever has seen the family would know."""
    known, found = judged(made(lambda look, family, _: (look["learning rate"] > 0) == (family in FAMILIES[:2])))
    assert inside(known, found)[0] < 0.5


def test_areas_are_those_of_all_pairs_and_of_pairs_of_the_same_task():
    known = foretelling.at(made(by_a), 0)
    chances = np.random.default_rng(1).random(len(known.learned)).round(1)  # with ties
    assert foretelling.whole(known, chances)(np.arange(8)) == pytest.approx(roc_auc_score(known.learned, chances))
    inside = foretelling.within(known, chances)
    areas = [
        roc_auc_score(known.learned[known.tasks == task], chances[known.tasks == task])
        for task in np.unique(known.tasks)
    ]
    learned = [known.learned[known.tasks == task] for task in np.unique(known.tasks)]
    weights = [of.sum() * (~of).sum() for of in learned]
    assert inside(np.arange(8)) == pytest.approx(np.average(areas, weights=weights))
    assert inside(np.array([3, 3, 5])) == pytest.approx(
        (2 * areas[3] * weights[3] + areas[5] * weights[5]) / (2 * weights[3] + weights[5])
    )


def test_runs_that_diverged_before_a_moment_are_not_foretold_any_more():
    entries = made(by_a, count=16) + made(by_a, count=8, moments=2)
    assert [len(foretelling.at(entries, moment).learned) for moment in (0, 1, 2)] == [24, 24, 16]


def test_a_net_has_learned_that_came_four_fifths_of_the_way():
    def of(loss):
        return Entry(0, "t", "f", {}, "finished", loss, (2.0, 1.0), [], [], (0.0, 0.0, 0.0))

    assert [foretelling.learned(of(loss)) for loss in (0.9, 1.2, 1.21, None)] == [True, True, False, False]


def test_a_curve_goes_on_as_straight_as_before_by_the_logarithm_of_the_step():
    """L = (1 + step / 10) ** -0.5 after a loss of 2 before training; the baseline is 4."""
    curve = [2.0, *[(percent * 1.0) ** -0.5 for percent in range(1, 21)]]
    entry = Entry(0, "t", "f", {"cell": "gru"}, "finished", 1.0, (4.0, 0.0), curve, [{}] * 5, (0.0, 0.0, 0.0))
    found = foretelling.curve_of(entry, 4)
    assert found["validation loss: loss"] == pytest.approx(-0.5 * math.log(20))
    assert found["validation loss: of the first"] == pytest.approx(-0.5 * math.log(20) - math.log(2))
    assert found["validation loss: slope"] == pytest.approx(-0.5)
    assert found["validation loss: extrapolated"] == pytest.approx(-0.5 * math.log(100) - math.log(4))
    assert set(foretelling.curve_of(entry, 0)) == {
        f"validation loss: {k}" for k in ("loss", "of the first", "of the baseline")
    }


def test_any_part_of_a_bank_is_judged():
    count = 8
    _, found = judged(made(by_a, count=count), 2)
    assert np.isfinite(found).all()
    none, nothing = judged(made(lambda *_: False, count=count))
    assert nothing.tolist() == [0.0] * count
    assert math.isnan(inside(none, nothing)[0])
