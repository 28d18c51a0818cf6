"""What `make torture` does at length, in seconds."""

import pytest

from rnnkit.core import determinism
from tests.torture import bits, combinations
from tests.torture.answers import simulated


@pytest.fixture(scope="module")
def one():
    """The checksums of small trainings on one thread."""
    return bits.elsewhere("SMALL")


def test_a_training_gives_the_same_bits_in_another_process(one):
    assert len(one) == 24
    assert bits.elsewhere("SMALL", hash_seed=1) == one
    assert len(set(one.values())) == 24


def test_the_number_of_threads_changes_no_bit_or_a_run_says_that_it_does(one):
    """With MKL it changes none; with another matrix library it may."""
    two = bits.elsewhere("SMALL", threads=2)
    assert not bits.differ([one, two]) or (bits.says_so() and determinism.in_force() is None)


def test_tracker_bar_looking_inside_evaluating_and_saving_change_no_bit(tmp_path):
    """None of them, and all of them; `make torture` tries every combination."""
    assert combinations.torture(31, tmp_path).startswith("2 of 2 combinations")


def test_answers_of_simulated_studies_are_right_as_often_as_they_say():
    """Of few: the bounds are those of `make torture`, as far apart as chance asks for with so many."""
    tally = simulated.simulated(40, seed=1)
    for what in simulated.COVERING:
        assert tally.share(what) >= 0.88, (what, tally.share(what))
    for what in simulated.WRONG:
        assert tally.hits[what] <= 4, (what, tally.hits[what])
    assert tally.hits["a table has a bold"] > 3
    assert tally.hits["a best without doubt is named"] > 1
