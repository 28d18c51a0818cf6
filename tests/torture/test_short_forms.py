"""What `make torture` does at length, in seconds."""

from tests.torture import bits, combinations


def test_a_training_gives_the_same_bits_in_another_process():
    first, second = (bits.elsewhere("SMALL", hash_seed=seed) for seed in (0, 1))
    assert len(first) == 24
    assert first == second
    assert len(set(first.values())) == 24


def test_the_number_of_threads_changes_no_bit_or_a_run_says_that_it_does():
    one, two = (bits.elsewhere("SMALL", threads=threads) for threads in (1, 2))
    assert not bits.differ([one, two]) or (bits.says_so() and not bits.heeded())
    assert bits.elsewhere("SMALL", threads=2) == two


def test_tracker_bar_looking_inside_evaluating_and_saving_change_no_bit(tmp_path):
    """None of them, and all of them; `make torture` tries every combination."""
    assert combinations.torture(31, tmp_path).startswith("2 of 2 combinations")
