from datetime import UTC, datetime, timedelta

import pytest

from rnnkit.core import wording


@pytest.mark.parametrize(
    ("metric", "sentence", "list_", "alone"),
    [
        ("metric/accuracy/valid", "validation accuracy", "accuracy (validation)", "accuracy"),
        ("metric/macro_f1/test", "test macro f1", "macro f1 (test)", "macro f1"),
        ("loss/train", "loss/train", "loss/train", "loss/train"),
        ("metric/odd", "metric/odd", "metric/odd", "metric/odd"),
        ("", "", "", ""),
    ],
)
def test_metrics_in_words(metric, sentence, list_, alone):
    assert wording.metric(metric) == sentence
    assert wording.in_brackets(metric) == list_
    assert wording.without_split(metric) == alone


def test_numbers_and_times_in_words():
    now = datetime(2026, 1, 2, tzinfo=UTC)
    ages = [wording.age(now - timedelta(seconds=s), now) for s in (0, 100, 130, 7_199, 7_200, 172_800)]
    assert ages == ["0 s", "100 s", "2 min", "120 min", "2 h", "2 d"]
    assert wording.age(None) == ""
    assert [wording.number(v) for v in (None, 0.0, 0.98765, 1e-5, 123_456.0, float("inf"))] == (
        ["", "0.0000", "0.9877", "1e-05", "1.23e+05", "inf"]
    )
    assert [wording.signed(v) for v in (0.5, -2.5e-5, 1e-17, -1e-17, float("nan"))] == (
        ["+0.5000", "-2.5e-05", "+0.0000", "+0.0000", "nan"]
    )
    assert [wording.seconds(v) for v in (None, 3.25, 300, 7_200)] == ["", "3.2 s", "5.0 min", "2.0 h"]
    assert (wording.interval(0.66, 0.7), wording.interval(None, 0.7)) == ("0.6600 to 0.7000", "")
    assert wording.interval(2e-5, 3.5e-4) == "2e-05 to 0.00035"


def test_settings_and_lists_in_words():
    settings = {"hidden_size": 32, "learning_rate": 0.00123456, "bidirectional": True, "cell": "GRU"}
    assert wording.settings(settings) == "hidden size 32, learning rate 0.00123, bidirectional true, cell gru"
    assert [wording.listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
    assert wording.capital("bits of Text") == "Bits of Text"


def test_what_is_one_is_not_spoken_of_as_many():
    assert [wording.count(n, "trial") for n in (0, 1, 2, 1_200)] == ["0 trials", "1 trial", "2 trials", "1,200 trials"]


def test_a_word_that_is_close_to_a_known_one_was_meant():
    known = ["char_lm", "digits", "memory"]
    assert wording.meant("digist", known) == ": did you mean digits?"
    assert wording.meant("weather", known) == ""


def test_control_characters_are_replaced_but_for_those_that_are_kept():
    assert wording.printable("a\x1b[2J\nb\u202ec\ud800\n") == "a?[2J?b?c??"
    assert wording.printable("a\tb\n", keep="\n\t") == "a\tb\n"
