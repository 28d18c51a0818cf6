"""What is shipped says of the bank's nets what the bank's own models say."""

import numpy as np
import pytest

from rnnkit.runs import foretelling as in_use
from rnnkit.runs.foretelling import signs
from sweeps.flag_study import drawn, entries, foretelling, shipped
from sweeps.flag_study.entries import Entry
from tests.helpers import ROOT


def made(count=60, seed=0):
    """A bank of three families in which the learning rate and the depth decide."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(count):
        names = (*shipped.BEFORE.values(), *shipped.EARLY.values())
        looks = [dict(zip(names, generator.normal(size=len(names)).round(3).tolist(), strict=True)) for _ in range(5)]
        learns = looks[0]["learning rate"] + looks[0]["depth"] + generator.normal() / 2 > 0
        curve = [1.0, *generator.uniform(0.1, 1, 20).round(4).tolist()]
        family = ("adding", "copying", "reber")[number % 3]
        settings = {"cell": ("gru", "lstm")[number % 2]}
        loss = 0.1 if learns else 1.0
        limits, seconds = (1.0, 0.0), (1.0, 0.0, 0.0)
        found.append(Entry(number, family, family, settings, "finished", loss, limits, curve, looks, seconds))
    return found


@pytest.mark.parametrize("moment", [0, 4])
def test_the_shipped_model_has_the_chances_of_the_fitted_one(moment):
    there = shipped.known(made(), moment)
    names = shipped.told(moment)
    model = in_use.read({"after": 0.2, **shipped.model(there, names, 3.0)})
    expected = foretelling.fitted(there, there, 3.0)
    found = [
        in_use.foretold(model, dict(zip((names[name] for name in there.names), row, strict=True))).chance
        for row in there.values.tolist()
    ]
    assert found == pytest.approx(expected.tolist(), abs=2e-3)
    assert np.std(expected) > 0.1


def test_there_is_a_model_for_each_moment_and_none_is_told_what_records_lack():
    models = shipped.models(made())
    assert [model["after"] for model in models] == [moment / drawn.STEPS for moment in drawn.MOMENTS]
    for model in models[1:]:
        told = {sign["name"] for sign in model["signs"]}
        assert told == {*signs.SETTINGS, *shipped.LIGHT, *signs.STEPS[:-1], *signs.LOSSES}


def test_what_is_shipped_was_fitted_on_the_bank_that_is_there():
    bank = entries.read(ROOT / "docs/bank/flags.jsonl")
    for moment, model in enumerate(in_use.models()):
        there = shipped.known(bank, moment)
        names = [shipped.told(moment)[name] for name in there.names]
        assert [sign.name for sign in model.signs] == names
        for sign, quantiles in zip(model.signs, foretelling.quantiles(there), strict=True):
            np.testing.assert_allclose(sign.quantiles, quantiles, rtol=1e-3)
        chances = np.array(
            [in_use.foretold(model, dict(zip(names, row, strict=True))).chance for row in there.values.tolist()]
        )
        assert foretelling.within(there, chances)(np.arange(len(foretelling.places(there)))) > 0.75
        assert foretelling.miscalibration(chances, there.learned) < 0.15
