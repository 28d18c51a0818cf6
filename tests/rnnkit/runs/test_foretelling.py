"""Chances by hand, from models whose answer is known, and from the rows of real runs."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import memory
from rnnkit.runs import foretelling, read_rows
from rnnkit.runs.foretelling import Model, Sign, chances, signs


DEPTH = Sign("depth", (1.0, 2.0, 2.0, 3.0), weight=2.0, of_square=0.0)
RATE = Sign("learning rate", (-8.0, -6.0, -4.0, -2.0), weight=0.0, of_square=-3.0)
MODEL = Model(0.1, (DEPTH, RATE), constant=0.5)


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=9), st.floats(-6, 6))
def test_a_rank_is_the_share_below_less_the_share_above(known, value):
    rank = Sign("x", tuple(sorted(known)), 1.0, 0.0).rank(value)
    expected = np.mean(np.array(known) < value) - np.mean(np.array(known) > value)
    assert rank == pytest.approx(expected)


def test_a_chance_is_the_logistic_of_weighed_ranks_and_squares():
    found = foretelling.foretold(MODEL, {"depth": 2.0, "learning rate": -1.0})
    assert found.chance == pytest.approx(1 / (1 + math.exp(-(0.5 + 0 - 3))))
    assert found.after == 0.1


def test_a_sign_that_a_net_does_not_have_counts_as_one_in_the_middle_and_is_no_reason():
    found = foretelling.foretold(MODEL, {})
    assert found.chance == pytest.approx(1 / (1 + math.exp(-0.5)))
    assert found.reasons == ()


def test_reasons_are_those_signs_that_speak_loudest_for_what_is_said():
    poor = foretelling.foretold(MODEL, {"depth": 1.0, "learning rate": math.log(1e-4)})
    said = f"learns with probability {poor.chance:.2f}, judging by other tasks: "
    assert str(poor) == said + "the learning rate is 0.0001; the depth is 1"
    good = foretelling.foretold(MODEL, {"depth": 3.0, "learning rate": math.log(1e-4)})
    assert good.chance < 0.5  # the depth speaks for it, and is no reason
    assert good.reasons == ("the learning rate is 0.0001",)
    likely = foretelling.foretold(MODEL, {"depth": 3.0, "learning rate": -5.0})
    assert likely.chance > 0.5
    assert likely.reasons == ("the depth is 3",)


def test_the_models_that_come_with_the_library_speak_of_signs_that_records_have_in_words():
    models = foretelling.models()
    shares = [model.after for model in models]
    assert shares[0] == 0.0
    assert shares == sorted(set(shares))
    for model in models:
        for sign in model.signs:
            assert sign.quantiles == tuple(sorted(sign.quantiles))
            assert foretelling.WORDS[sign.name](-1.5)
    early = {sign.name for sign in models[-1].signs}
    assert set(signs.LOSSES) < early
    assert "gradient through time" in {sign.name for sign in models[0].signs}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of 100 steps, evaluated every 10, and its configuration."""
    sizes = {"length": 10, "hidden_size": 8, "epochs": 10, "round": 10, "track": "off"}
    config = memory.Config(**sizes, runs_dir=tmp_path_factory.mktemp("runs"))
    return config, memory.run(config)


def test_a_record_says_early_whether_its_net_will_learn(run):
    config, result = run
    rows = read_rows(result.folder)
    found = foretelling.early(rows[:20], 100, config)
    assert found is not None
    assert found.after == foretelling.model_at(0.2).after
    assert len(found.reasons) == 3
    assert result.foretold == f"after 20% of the steps: {found}"
    known = foretelling.of_rows(rows[:20], config)
    assert known["validation loss"] == pytest.approx(
        math.log(rows[19]["metric/loss/valid"] / rows[0]["loss/train"]), rel=1e-3
    )
    slope = math.log(rows[19]["metric/loss/valid"] / rows[9]["metric/loss/valid"]) / math.log(2)
    assert known["slope of the validation loss"] == pytest.approx(slope, rel=1e-3)
    assert known["training loss"] == pytest.approx(
        math.log(np.mean([row["loss/train"] for row in rows[10:20]]) / rows[0]["loss/train"]), rel=1e-3
    )


def test_nothing_is_foretold_before_there_is_anything_to_see_or_when_it_is_late(run):
    config, result = run
    rows = read_rows(result.folder)
    assert foretelling.early(rows[:10], 10_000, config) is None  # a thousandth of the steps
    assert foretelling.early(rows[:15], 100, config) is None  # nothing was evaluated then
    assert foretelling.early(rows[:60], 100, config) is None  # it has all but learned, or not
    blind = [{name: value for name, value in row.items() if name != "memory/span"} for row in rows]
    assert foretelling.early(blind[:20], 100, config) is None  # nobody looked inside
    assert foretelling.in_words(rows[:1], config) is None
    assert foretelling.in_words([], config) is None


def test_what_is_the_same_of_the_best_and_the_worst_layer_is_said_once():
    signs_of_it = tuple(Sign(name, (-9.0, -1.0), 1.0, 0.0) for name in (chances.BEST, chances.WORST))
    model = Model(0.0, signs_of_it, constant=0.0)
    assert len(foretelling.foretold(model, {chances.BEST: -20.0, chances.WORST: -20.0}).reasons) == 1
    assert len(foretelling.foretold(model, {chances.BEST: -20.0, chances.WORST: -30.0}).reasons) == 2
