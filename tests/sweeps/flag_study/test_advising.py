"""Advice and starts on made nets whose answer is known."""

import dataclasses

import numpy as np
import pytest

from rnnkit.runs.foretelling import signs
from sweeps.flag_study import advising
from sweeps.flag_study.entries import Entry


FAMILIES = ("adding", "copying", "reber")
CURES = "clipping", "chrono start"
VANISHING, SOUND = {"gradient through time": -20.0}, {"gradient through time": -1.0}


def net(number, learned, look=SOUND, **settings):
    family = FAMILIES[number % 3]
    given = {"cell": "lstm", "init": "default"} | settings
    loss = 0.1 if learned else 1.0
    return Entry(number, family, family, given, "finished", loss, (1.0, 0.0), [1.0], [look], (1.0, 0.0, 0.0))


def test_advised_is_what_rescued_nets_of_other_families_with_the_same_flag():
    """Clipping rescues who raised no flag, chrono who did; the overall best, clipping, is wrong for the latter."""
    bank = [net(n, False, VANISHING if n < 6 else SOUND) for n in range(18)]
    cured = [
        net(n, (n < 6) == (cure == "chrono start"), cure=cure)
        for n in range(18)
        for cure in ("clipping", "chrono start")
    ]
    share, low, high = advising.advised(bank, cured)
    assert advising.best_first(advising.nets_of(cured).values()) == ["clipping", "chrono start"]
    # Nets without a flag look at all others: of them clipping rescued most.
    assert (share, low, high) == (1.0, 1.0, 1.0)


def test_what_helps_in_one_family_alone_is_no_advice_for_it():
    bank = [net(n, False) for n in range(9)]
    cured = [
        net(n, cure == "clipping" if n % 3 else cure == "chrono start", cure=cure)
        for n in range(9)
        for cure in ("clipping", "chrono start")
    ]
    assert advising.advised(bank, cured)[0] == 6 / 9  # those of the family are told what is best for the others


def test_the_start_with_the_largest_chance_is_taken():
    """The depth decides: starts change it here, so that the model of the other families knows."""
    generator = np.random.default_rng(0)

    def look(depth):
        return {name: 0.0 for name in signs.SETTINGS} | {"depth": float(depth)}

    depths = generator.normal(size=120)
    bank = [net(n, depth > 0, look(depth)) for n, depth in enumerate(depths)]
    starts = {"orthogonal start": 2.0, "chrono start": -2.0}
    cured = [net(n, depth > 0, look(depth), cure=cure) for n in range(60) for cure, depth in starts.items()]
    found = advising.started(bank, cured)
    assert found.nets == 60
    assert found.auto[0] == found.best[0] == 1.0
    assert found.default[0] == pytest.approx((depths[:60] > 0).mean())
    worse = [dataclasses.replace(one, loss=1.0) if "orth" in one.settings["cure"] else one for one in cured]
    assert advising.started(bank, worse).auto[0] < 0.05  # who has a depth above 2 by itself
