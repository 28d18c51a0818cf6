"""Comparisons of groups and tables of them, beside scipy, and read back by what would read them."""

import csv
import math
import re

import pytest
from scipy import stats

from sweeps.analysis import comparing, tables
from tests.sweeps.analysis.told import group


ACCURACY = "metric/accuracy/test"
LSTM, GRU, RNN = [0.95, 0.953, 0.951, 0.949], [0.93, 0.931, 0.935, 0.93], [0.932, 0.93, 0.933, 0.932]


def three(**given):
    return [group("gru", GRU, **given), group("lstm", LSTM, **given), group("rnn", RNN, **given)]


def test_all_pairs_are_compared_and_corrected_for_their_number():
    found = comparing.compared(three(), ACCURACY, lower_is_better=False)
    assert [mean.group for mean in found.means] == ["lstm", "rnn", "gru"]
    assert len(found.pairs) == 3
    pair = next(pair for pair in found.pairs if (pair.first, pair.second) == ("lstm", "gru"))
    test = stats.ttest_rel(LSTM, GRU)
    assert pair.p == pytest.approx(3 * test.pvalue)
    assert (pair.low, pair.high) == pytest.approx(tuple(test.confidence_interval(1 - 0.05 / 3)))
    assert (found.best, found.unit) == ("lstm", "share of answers")


def test_lower_is_better_where_that_is_said():
    found = comparing.compared(three(), ACCURACY, lower_is_better=True)
    assert found.means[-1].group == "lstm"
    assert found.best is None
    assert all(pair.difference >= 0 for pair in found.pairs)


def test_the_best_of_all_seeds_can_be_the_worse_on_those_that_two_share():
    """Then the sentence turns: it is of these seeds."""
    many = group("many", [0.5, 0.51, 0.52, 0.99, 0.99])
    few = group("few", [0.6, 0.612, 0.621])
    found = comparing.compared([many, few], ACCURACY, lower_is_better=False)
    assert found.means[0].group == "many"
    (pair,) = found.pairs
    assert (pair.first, pair.second, pair.supported, pair.seeds) == ("few", "many", True, 3)
    assert found.best is None


def test_what_has_too_few_seeds_is_not_compared_and_nothing_is_best_without_doubt():
    groups = [group("lstm", LSTM), group("gru", GRU), group("one", [0.1])]
    found = comparing.compared(groups, ACCURACY, lower_is_better=False)
    assert len(found.pairs) == 1
    assert found.pairs[0].comparisons == 1
    assert found.best is None
    said = comparing.in_words(found, groups)
    assert said[0] == "No group is clearly the best; lstm has the best mean."
    assert "one has 1 seed: too few to compare it, 3 or more do." in said


def test_sentences_name_what_they_are_of():
    groups = three(left_out={"diverged": 2})
    said = comparing.in_words(comparing.compared(groups, ACCURACY, lower_is_better=False), groups)
    assert said[0] == "Best: lstm, with a better test accuracy than each of the others."
    assert said[1] == (
        "Differences in test accuracy (share of answers), with 95 % intervals over seeds, corrected for 3 comparisons:"
    )
    numbers = r"\+0\.0190, 95 % interval \+0\.0\d+ to \+0\.0\d+, p 0\.00\d+, in pairs over 4 seeds"
    assert re.fullmatch(f"  lstm is better than rnn: {numbers}", said[2])
    assert said[3].startswith("  lstm is better than gru: +0.0192, ")
    assert said[4].startswith("  no clear difference between rnn and gru: +0.00025, 95 % interval -0.")
    assert "gru: 2 diverged; its mean is of the 4 runs that finished." in said


def test_seeds_that_differ_are_said_to():
    groups = [group("a", LSTM), group("b", GRU, seeds=range(50, 60))]
    found = comparing.compared(groups, ACCURACY, lower_is_better=False)
    assert found.pairs[0].seeds == 0
    assert comparing.in_words(found, groups)[2].endswith(", over different seeds")


def test_values_that_are_no_numbers_are_last_and_best_of_nothing():
    groups = [group("nan", [math.nan, 0.9, 0.9]), group("inf", [math.inf, 20.0, 30.0]), group("whole", [1.0, 2.0, 3.0])]
    found = comparing.compared(groups, ACCURACY, lower_is_better=True)
    assert [mean.group for mean in found.means] == ["whole", "inf", "nan"]
    assert found.best is None
    assert not any(pair.supported for pair in found.pairs)


def two_metrics():
    """Groups with accuracy, by which lstm is the best, and loss, by which none is."""
    groups = []
    for name, values, losses in (("lstm", LSTM, [1.0, 2.0, 3.0, 2.0]), ("g|r_u", GRU, [1.1, 2.2, 2.9, 2.0])):
        scores = {ACCURACY: dict(enumerate(values)), "metric/loss/test": dict(enumerate(losses))}
        runs = [f"{name}-{seed}" for seed in range(4)]
        groups.append(comparing.Group(name, "digits", runs, scores, parameters=12_345, commands=[f"python {name}"]))
    return groups


def made(groups=None):
    return tables.table(groups or two_metrics(), [(ACCURACY, False), ("metric/loss/test", True)], "python -m made")


def test_a_table_corrects_for_the_pairs_of_all_its_columns():
    assert {pair.comparisons for column in made().columns for pair in column.pairs} == {2}


def test_bold_stands_where_the_test_supports_it_alone():
    text = "\n".join(tables.markdown(made()))
    assert "**0.9507 ± 0.0017 (4)**" in text
    assert text.count("**") == 2
    assert "Bold: better than each of the others by a t-test over seeds at 5 %, corrected for 2 comparisons." in text
    alike = [group("a", LSTM), group("b", [value + 0.001 for value in reversed(LSTM)])]
    text = "\n".join(tables.markdown(tables.table(alike, [(ACCURACY, False)], "made")))
    assert "**" not in text
    assert (
        "None is bold, as none is better than each of the others by a t-test at 5 %, corrected for 1 comparison."
        in text
    )
    assert "**" not in "\n".join(tables.markdown(tables.table([group("a", LSTM)], [(ACCURACY, False)], "made")))


def test_each_row_of_markdown_names_its_runs_and_what_gives_them_again():
    lines = tables.markdown(made())
    heads, rule, *rows = lines[:4]
    assert heads == "|  | test accuracy | test loss | parameters |"
    assert rule == "| --- | ---: | ---: | ---: |"
    assert rows[1].startswith(r"| g\|r\_u | 0.9315 ± 0.0024 (4) | ")
    assert rows[1].endswith(" | 12,345 |")
    assert r"- g\|r\_u: runs: g|r_u-0, g|r_u-1, g|r_u-2, g|r_u-3" in lines
    assert "  - again: `python g|r_u`" in lines
    assert "Made by `python -m made`." in lines


def test_latex_is_a_table_with_its_sources_in_comments():
    lines = tables.latex(made())
    code = [line for line in lines if not line.startswith("%")]
    assert code[0] == r"\begin{tabular}{lrrr}"
    assert code[-1] == r"\end{tabular}"
    rows = [line for line in code if line.endswith(r"\\")]
    assert [row.count(" & ") for row in rows] == [3, 3, 3]
    assert r"lstm & $\mathbf{0.9507 \pm 0.0017}$ (4) & $2.0000 \pm 0.8165$ (4) & 12{,}345 \\" in rows
    assert rows[2].startswith(r"g|r\_u & $0.9315 \pm 0.0024$ (4) & ")
    assert "% again: python g|r_u" in lines
    assert "% runs: lstm-0, lstm-1, lstm-2, lstm-3" in lines


def test_small_numbers_are_powers_of_ten_in_latex():
    found = tables.table([group("a", [1e-5, 2e-5, 3e-5])], [(ACCURACY, True)], "made")
    assert r"$2 \cdot 10^{-5} \pm 1 \cdot 10^{-5}$ (3)" in "\n".join(tables.latex(found))


def test_csv_has_every_digit_and_a_line_for_each_cell():
    rows = list(csv.DictReader(tables.as_csv(made())))
    assert len(rows) == 4
    first = rows[0]
    assert (first["group"], first["metric"], first["bold"], first["seeds"]) == ("lstm", ACCURACY, "True", "4")
    assert float(first["mean"]) == pytest.approx(sum(LSTM) / 4, abs=0)
    assert first["runs"].split() == ["lstm-0", "lstm-1", "lstm-2", "lstm-3"]
    assert first["commands"] == "python lstm"
    assert rows[2]["group"] == "g|r_u"


def test_names_do_nothing_to_latex_or_the_terminal():
    hostile = group("a%b\n\\end{tabular}\x1b[2J", LSTM)
    lines = tables.latex(tables.table([hostile], [(ACCURACY, False)], "made\nby"))
    assert [line for line in lines if line.startswith(r"\end")] == [r"\end{tabular}"]
    assert "\x1b" not in "".join(lines)
    assert not [line for line in lines if "\n" in line]
