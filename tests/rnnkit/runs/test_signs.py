"""Signs by hand, from rows whose answer is known."""

import math

import pytest

from rnnkit.runs.foretelling import signs


def test_signs_of_steps_are_logarithms_of_what_the_rows_say():
    rows = [
        {
            "loss/train": loss,
            "grad_norm/total": 5.0,
            "grad_norm/e.l0.f/hh": 3.0,
            "grad_norm/e.l1.f/hh": 4.0,
            "grad_norm/head": 0,
        }
        for loss in (1.0, 3.0)
    ]
    rows[1]["grad_norm/total"] = 0.5
    found = signs.of_steps(rows, {"loss/train": 4.0}, clip=1.0)
    assert found["training loss"] == pytest.approx(math.log(0.5), rel=1e-3)
    assert found["gradient norm"] == pytest.approx(math.log(2.75), rel=1e-3)
    assert found["share of W_hh in the gradient"] == pytest.approx(math.log((1 + 10) / 2), rel=1e-3)
    assert found["clipped steps"] == 0.5
    assert "clipped steps" not in signs.of_steps(rows, {"loss/train": 4.0}, clip=0.0)


def test_signs_are_cut_to_a_thousand_and_those_that_are_not_defined_left_out():
    given = {"a": -math.inf, "b": 1e9, "c": math.nan, "d": None, "e": 1.23456}
    assert signs.rounded(given) == {"a": -1000.0, "b": 1000.0, "e": 1.235}
