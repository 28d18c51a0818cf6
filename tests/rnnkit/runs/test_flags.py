"""Each flag at its threshold and below it, by rows made for it."""

import inspect
import math
import re

import pytest

from rnnkit.runs import flags


def names(rows, **words):
    return [(flag.name, flag.where) for flag in flags.judge(rows, **words)]


def memory_row(left, span=50, **more):
    """A row after which so much of a gradient is left over a span."""
    return {"memory/span": span, "memory/encoder.l0.f/rate": math.log(left) / span, **more}


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (memory_row(0.9e-4), [("vanishing", "encoder.l0.f")]),
        (memory_row(1.1e-4), []),
        (memory_row(9.9), []),
        (memory_row(10.1), [("exploding", "encoder.l0.f")]),
        (memory_row(1e-9, **{"memory/encoder.l0.b/rate": 0.0}), []),  # one direction remembers
        ({"memory/span": 50, "memory/encoder.l0.f/initial_rate": -1.0}, [("vanishing", "encoder.l0.f")]),
        (memory_row(0.5, **{"memory/encoder.l0.f/initial_rate": -1.0}), []),  # it has learned to carry gradients
        ({"memory/span": 50, "memory/encoder.l0.f/rate": -math.inf}, [("vanishing", "encoder.l0.f")]),
        ({"hidden/encoder.l0.f/saturated": 0.41}, [("saturated", "encoder.l0.f")]),
        ({"hidden/encoder.l0.f/saturated": 0.39}, []),
        ({"hidden/encoder.l0.f/saturated": 0.9, "gate/encoder.l0.f/r/sensitivity": 0.5}, []),  # of an RNN alone
        ({"gate/encoder.l0.f/i/sensitivity": 0.09}, [("saturated", "encoder.l0.f/i")]),
        ({"gate/encoder.l0.f/i/sensitivity": 0.11}, []),
        # Long memories.
        ({"gate/encoder.l0.f/f/sensitivity": 0.01, "gate/encoder.l0.f/f/timescale_max": 99.0}, []),
        ({"memory/loss_one": 1.0, "memory/loss_quarter": 0.6, "memory/loss_all": 0.995}, [("unused memory", "")]),
        ({"memory/loss_one": 1.0, "memory/loss_quarter": 0.501, "memory/loss_all": 0.5}, [("unused memory", "")]),
        ({"memory/loss_one": 1.0, "memory/loss_quarter": 0.51, "memory/loss_all": 0.5}, []),
        ({"update/encoder.l0.f/hh": 0.9e-5}, [("frozen", "encoder.l0.f/hh")]),
        ({"update/encoder.l0.f/hh": 1.1e-5}, []),
        ({"update/encoder.l0.f/hh": 0.9e-2}, []),
        ({"update/encoder.l0.f/hh": 1.1e-2}, [("too hot", "encoder.l0.f/hh")]),
        ({"update/encoder.l0.f/bias": 1.0}, []),  # biases start near 0, where the ratio says nothing
        ({}, []),
    ],
)
def test_each_flag_at_its_threshold(row, expected):
    assert names([row]) == expected


@pytest.mark.parametrize(("update", "flag"), [(1e-6, "frozen"), (2e-2, "too hot")])
def test_weights_that_rest_or_move_much_are_no_fault_where_the_training_loss_falls(update, flag):
    moved = {"update/encoder.l0.f/hh": update}
    falling = [{"loss/train": loss, **moved} for loss in [1.0, *[0.49] * 20]]
    assert names(falling) == []
    stuck = [{"loss/train": loss, **moved} for loss in [1.0, *[0.51] * 20]]
    assert names(stuck) == [(flag, "encoder.l0.f/hh")]


def test_a_net_that_learned_has_no_flag_for_gradients_that_fade_or_inputs_that_it_does_not_need():
    known = {"memory/loss_one": 1.0, "memory/loss_quarter": 0.05, "memory/loss_all": 0.05}  # right nearly always
    assert names([memory_row(1e-9, **known)]) == []
    assert names([memory_row(1e-9, **known | {"memory/loss_one": 0.09})]) == [
        ("vanishing", "encoder.l0.f"),
        ("unused memory", ""),
    ]


def curve(valid, train, name="loss/valid"):
    return [{name: v, "loss/train": t} for v, t in zip(valid, train, strict=True)]


@pytest.mark.parametrize(
    ("rows", "raised"),
    [
        (curve([1.0, 0.8, 1.21], [1.0, 0.5, 0.1]), True),
        (curve([1.0, 0.8, 1.19], [1.0, 0.5, 0.1]), False),  # less than by half
        (curve([1.0, 0.8, 1.21], [1.0, 0.5, 2.0]), False),  # training became worse too: something else
        (curve([1.2, 0.8, 0.8], [1.0, 0.5, 0.1]), False),
        (curve([1.0, 0.8, math.nan], [1.0, 0.5, 0.1]), False),
        (curve([0.7, 1e-4, 1e-2], [0.7, 1e-3, 1e-5]), False),  # right throughout: a hundred times nothing
        (curve([0.7, 0.06, 0.1], [0.7, 0.05, 0.01]), True),
        (curve([-2.0, -1.0], [1.0, 0.1]), False),  # a factor of a negative loss says nothing
        ([{"loss/valid": 1.0}, {"loss/valid": 2.0}], False),  # training is not known
        (curve([1.0, 2.0], [1.0, 0.1], "metric/bits_per_character/valid"), True),
        (curve([0.5, 0.9], [1.0, 0.1], "metric/accuracy/valid"), False),  # no loss
    ],
)
def test_validation_loss_that_rises_by_half_while_training_loss_falls_is_overfitting(rows, raised):
    assert names(rows) == ([("overfitting", "")] if raised else [])


def test_units_are_dead_that_hardly_move_at_three_evaluations_running():
    def rows(*shares):
        return [{"hidden/encoder.l0.f/dead": share} for share in shares]

    assert names(rows(0.11, 0.2, 0.3)) == [("dead units", "encoder.l0.f")]
    assert names(rows(0.5, 0.05, 0.5)) == []
    assert names(rows(0.5, 0.5)) == []
    assert names([*rows(0.5, 0.5), {"loss/train": 1.0}, *rows(0.5)]) == [("dead units", "encoder.l0.f")]


def test_clipping_is_ill_where_most_steps_are_clipped_by_much():
    assert names([{"grad_norm/total": 101.0}] * 3, clip=1.0) == [("exploding", "clipping")]
    assert names([{"grad_norm/total": 99.0}] * 3, clip=1.0) == []
    assert names([{"grad_norm/total": 300.0}, {"grad_norm/total": 0.5}], clip=1.0) == []  # half is not most
    assert names([{"grad_norm/total": 101.0}] * 3, clip=0.0) == []
    assert names([{"grad_norm/total": math.inf}], clip=1.0) == []


def test_a_run_that_diverged_says_so_first():
    rows = [memory_row(1e-9, **{"loss/train": math.nan})]
    assert names(rows, status="diverged") == [("diverged", ""), ("vanishing", "encoder.l0.f")]


def test_the_last_values_count_and_the_median_of_updates():
    assert names([memory_row(1e-9), memory_row(0.5)]) == []
    assert names([{"update/head": value} for value in (1e-9, 1e-3, 1e-3)]) == []


def test_a_loss_that_was_not_finite_is_missing_and_no_reason_to_fail():
    known = {"memory/loss_quarter": 0.7, "memory/loss_all": 0.7}
    assert names([known]) == []
    assert names([{**known, "memory/loss_one": 0.7}, known]) == [("unused memory", "")]


def test_a_flag_in_words_has_number_threshold_and_advice():
    (flag,) = flags.judge([memory_row(1e-9)])
    assert str(flag).startswith("vanishing (encoder.l0.f): 1e-09, threshold 0.0001. ")
    assert "--init chrono" in str(flag)


def test_a_run_that_diverged_has_its_last_loss_as_a_flag():
    (flag,) = flags.judge([{"loss/train": math.nan}], status="diverged")
    assert str(flag).startswith("diverged: nan, threshold inf. ")


def test_the_names_are_those_that_the_rules_give():
    assert set(re.findall(r'\bFlag\(\s*"([^"]+)"', inspect.getsource(flags))) == set(flags.NAMES)
