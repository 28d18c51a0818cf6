"""Each kind of sentence of an answer, on made-up studies of which it is known what is to be said."""

import math

import optuna
import pytest
from scipy import stats

from sweeps.analysis import importance, words
from sweeps.analysis.facts import Importance
from tests.sweeps.analysis.told import compared, fresh, summary, trial


def said(found):
    """The answer's lines, without what is in lists."""
    return [words.best_in_words(found, found.best), *words.test_in_words(found, found.best)]


# What is compared, and with what.


def test_a_baseline_is_compared_with_the_fresh_runs_and_not_with_the_one_that_was_found():
    """The run that was found beats the baseline by 0.03; the three fresh ones are below it by 0.02 in the mean."""
    found = trial(0, 0.99, comparison=compared(97, 94))
    again = [trial(0, 0.9, n, comparison=compared(right, 94)) for n, right in enumerate((91, 92, 93))]
    told = summary([found], again, confirm=(1, 3))
    assert told.best.against.difference == pytest.approx(-0.02)
    assert told.best.against.runs == [run.run for run in again]
    line = next(line for line in said(told) if "logistic regression" in line)
    assert line.startswith(
        "logistic regression beside the same 3 runs, on the same 100 test examples: 0.9400; difference -0.0200, 95 % "
    )
    assert "+0.03" not in "".join(said(told))
    assert said(told)[-1] == "runs: run-0-fresh-0, run-0-fresh-1, run-0-fresh-2"


def test_a_test_score_is_the_mean_of_the_runs_that_it_names():
    again = [trial(0, 0.9, n, test={"metric/accuracy/test": 0.8 + n / 100}) for n in range(3)]
    told = summary([trial(0, 0.99, test={"metric/accuracy/test": 0.5})], again, confirm=(1, 3))
    assert told.best.test == {"metric/accuracy/test": pytest.approx(0.81)}
    assert said(told)[1].startswith("test accuracy 0.8100 as the mean of the same 3 runs, 95 % interval 0.")


def test_a_baseline_that_only_some_of_the_runs_were_compared_with_is_not_mentioned():
    again = [trial(0, 0.9, n, comparison=compared(90, 94) if n else None) for n in range(3)]
    assert summary([trial(0, 0.9)], again, confirm=(1, 3)).best.against is None
    again = [trial(0, 0.9, n, comparison=compared(90, 94, examples=100 + n)) for n in range(3)]
    assert summary([trial(0, 0.9)], again, confirm=(1, 3)).best.against is None


def test_runs_that_differ_from_a_baseline_alike_have_no_interval_and_are_not_called_few():
    again = [trial(0, 1.0, n, comparison=compared(100, 100)) for n in range(3)]
    told = summary([trial(0, 1.0)], again, confirm=(1, 3))
    assert told.best.against.low is None
    assert " difference +0.0000 in each; runs that do not differ give no interval over seeds" in "\n".join(said(told))


def test_a_comparison_on_one_example_calls_nothing_better():
    told = summary([trial(0, 1.0, comparison=compared(1, 0, examples=1))])
    assert said(told)[2].endswith(
        " on the same 1 test example: 0.0000; difference +1.0000, 95 % interval "
        f"{told.best.against.low:+.4f} to +1.0000 over examples: no clear difference: too few examples"
    )


# What was varied.


def trials_of(settings, values):
    """Optuna's trials with these settings and values."""
    kinds = {int: optuna.distributions.IntDistribution(1, 128), float: optuna.distributions.FloatDistribution(0.0, 1.0)}
    cells = optuna.distributions.CategoricalDistribution(["gru", "lstm"])
    distributions = [{name: kinds.get(type(value), cells) for name, value in one.items()} for one in settings]
    return [
        optuna.trial.create_trial(params=one, distributions=ranges, value=value)
        for one, ranges, value in zip(settings, distributions, values, strict=True)
    ]


def test_what_did_not_vary_is_not_judged():
    """All finished trials have one cell, and depth only some of them."""
    settings = [{"hidden_size": 8 * n, "cell": "gru"} | ({"depth": n} if n > 4 else {}) for n in range(1, 11)]
    found = importance(trials_of(settings, [0.1 * n for n in range(10)]))
    assert found.shares == {"hidden_size": 1.0}
    assert (found.not_varied, found.not_weighed, found.trials) == ({"cell": "gru"}, ["depth"], 10)
    told = summary([trial(n, 0.1 * n) for n in range(10)])
    line = words.importances_in_words(
        told.__class__(**{**vars(told), "importances": found.shares, "importance": found})
    )
    assert line == (
        "what the validation accuracy varied with, over 10 finished trials (fANOVA): hidden size 100%; not varied: "
        "cell gru; not weighed, as not all of these trials have it: depth"
    )


@pytest.mark.parametrize(
    ("settings", "values"),
    [
        ([{"cell": "gru"}] * 10, [0.1 * n for n in range(10)]),  # nothing varied
        ([{"hidden_size": n} for n in range(1, 11)], [0.5] * 10),  # all alike
        ([{"hidden_size": n} for n in range(1, 8)], [0.1 * n for n in range(7)]),  # too few
        (
            [{"hidden_size": n} for n in range(1, 11)],
            [0.1 * n for n in range(7)] + [math.inf] * 3,
        ),  # too few with a value
    ],
)
def test_nothing_is_said_to_matter_where_nothing_shows_it(settings, values):
    assert importance(trials_of(settings, values)) == Importance()


# Which is the best.


def test_the_best_point_is_the_best_in_the_mean_over_its_seeds():
    """Without fresh seeds. The luckiest single trial is of the settings that are the worse ones."""
    values = {0.001: (0.70, 0.71, 0.72), 0.002: (0.95, 0.51, 0.50)}
    searched = [
        trial(2 * n + k, several[n], rate=rate) for n in range(3) for k, (rate, several) in enumerate(values.items())
    ]
    told = summary(searched)
    assert told.best.settings["learning_rate"] == 0.001
    assert (told.best.trials, told.best.value) == ([0, 2, 4], pytest.approx(0.71))
    assert said(told)[0].startswith(
        "best: the settings of trials 0, 2 and 4, validation accuracy 0.7100 as the mean of these 3 runs, 95 % "
    )
    assert "the mean of the best settings is the best of what 6 finished trials" in told.not_supported[-1].lower()


def test_ties_go_to_the_first_and_are_told_as_such():
    told = summary([trial(n, 0.5) for n in range(4)], fresh({0: [0.5] * 3, 1: [0.5] * 3}), confirm=(2, 3))
    assert told.best.trial == 0
    assert told.supported == []
    assert "Trial 0's settings are not clearly better than those of trial 1" in told.not_supported[0]
    assert "too few seeds, or too much alike, for an interval" in told.not_supported[0]
    assert told.confirmations[0].lacks == "all seeds alike"


def test_the_best_is_tested_beside_each_of_the_others_and_corrected_for_all_pairs():
    again = {0: [0.90, 0.91, 0.92], 1: [0.70, 0.715, 0.72], 2: [0.89, 0.93, 0.90]}
    told = summary([trial(n, 0.9 - n / 10) for n in range(3)], fresh(again), confirm=(3, 3))
    close, far = told.others
    assert (close.other, far.other, close.comparisons) == (2, 1, 3)
    reference = stats.ttest_rel(again[0], again[1])
    assert far.p == pytest.approx(3 * reference.pvalue)
    assert (far.low, far.high) == pytest.approx(tuple(reference.confidence_interval(1 - 0.05 / 3)))
    assert told.supported[0].startswith(
        "Trial 0's settings are better than those of trial 1, in pairs over the same fresh seeds, corrected for 3"
    )
    assert "the best of the" not in "".join(told.supported)
    assert told.not_supported[0].startswith("Trial 0's settings are not clearly better than those of trial 2")


def test_where_lower_is_better_the_lowest_is_best_and_better():
    again = {0: [20.0, 21.0, 20.5], 1: [30.0, 31.5, 30.0]}
    told = summary(
        [trial(0, 20.0), trial(1, 19.0)], fresh(again), metric="metric/perplexity/valid", lower=True, confirm=(2, 3)
    )
    assert told.best.trial == 0
    assert told.others[0].difference == pytest.approx(10.0)
    assert told.supported[0].startswith(
        "Trial 0's settings are the best of the 2 that were run again, better than those"
    )


def test_a_mean_over_those_seeds_alone_that_went_well_is_said_to_be_one():
    again = [trial(0, 0.9, 0), trial(0, 0.91, 1), trial(0, None, 2, state="fail", reason="diverged: loss is nan")]
    told = summary([trial(0, 0.9)], again, confirm=(1, 3))
    assert told.not_supported[0] == (
        "Of 3 runs on fresh seeds with trial 0's settings, 1 diverged: their mean is of the 2 runs that finished."
    )
    assert "diverged" not in "".join(summary([trial(0, 0.9)], again, confirm=(1, 2)).not_supported)
    told = summary(
        [trial(0, 0.9)], [trial(0, None, n, state="fail", reason="killed") for n in range(3)], confirm=(1, 3)
    )
    assert told.not_supported[0] == "Of 3 runs on fresh seeds with trial 0's settings, 3 killed: none finished."
    assert not told.best.fresh
    grid = [trial(0, 0.9, rate=0.1), trial(1, None, state="fail", reason="diverged: loss is nan", rate=0.1)]
    assert summary(grid).not_supported[0] == (
        "Of 2 trials with trial 0's settings, 1 diverged: their mean is of the 1 run that finished."
    )
    pruned = [trial(0, 0.9, rate=0.1), trial(1, 0.1, state="pruned", rate=0.1)]
    assert summary(pruned).not_supported == []


# What there is no answer to.


@pytest.mark.parametrize(
    ("ends", "first"),
    [
        ([("fail", "diverged: loss is nan")] * 3, "no trial finished, so there is no answer: 3 diverged"),
        ([("pruned", None)] * 2, "no trial finished, so there is no answer: 2 pruned"),
        (
            [("fail", "out of memory: lower it"), ("pruned", None), ("fail", "out of memory: lower it")],
            "no trial finished, so there is no answer: 2 out of memory, 1 pruned",
        ),
        ([("fail", None)], "no trial finished, so there is no answer: 1 no reason given"),
        ([("complete", None)], "no trial finished, so there is no answer: 1 without a value"),
        ([("complete", math.nan)], "no trial finished, so there is no answer: 1 without a value"),
    ],
)
def test_why_there_is_no_answer_is_said(ends, first):
    values = [end[1] if end[0] == "complete" else None for end in ends]
    reasons = [None if end[0] == "complete" else end[1] for end in ends]
    searched = [
        trial(n, value, state=end[0], reason=reason)
        for n, (end, value, reason) in enumerate(zip(ends, values, reasons, strict=True))
    ]
    told = summary(searched)
    assert told.best is None
    assert words.nothing_in_words(told)[0] == first
    assert (told.supported, told.not_supported) == ([], [])


def test_a_study_that_diverged_says_what_can_be_done():
    told = summary([trial(0, None, state="fail", reason="diverged: loss is nan")])
    assert words.nothing_in_words(told)[1:] == [
        "the last of them, trial 0: diverged: loss is nan",
        "lower the learning rates in SPACE of experiments/digits.py, or its clipping, and sweep under another name "
        "(--study)",
    ]


def test_one_trial_alone_is_the_best_and_nothing_more_is_said():
    told = summary([trial(0, 0.5)])
    assert said(told)[0].startswith("best: trial 0, validation accuracy 0.5000 in its one run (")
    assert (told.supported, told.not_supported) == ([], [])


def test_no_trial_at_all():
    assert words.nothing_in_words(summary([])) == ["no trial has finished yet"]


# What seeds say of a value.


@pytest.mark.parametrize(
    ("metric", "values", "low", "high"),
    [
        ("metric/accuracy/valid", [0.97, 0.999, 0.95], 0.0, 1.0),
        ("metric/perplexity/valid", [1.01, 1.2, 1.02], 1.0, math.inf),
        ("metric/loss/valid", [0.01, 0.2, 0.02], 0.0, math.inf),
        ("metric/excess/valid", [0.01, 0.2, -0.3], -math.inf, math.inf),
    ],
)
def test_intervals_stay_within_what_the_metric_can_be(metric, values, low, high):
    mean = summary([trial(0, 0.5)], fresh({0: values}), metric=metric, confirm=(1, 3)).confirmations[0]
    assert low < mean.low < mean.mean < mean.high < high


def test_too_few_seeds_have_no_interval_and_that_is_said():
    told = summary([trial(0, 0.5), trial(1, 0.4)], fresh({0: [0.5, 0.6], 1: [0.4, 0.5]}), confirm=(2, 2))
    assert [row.lacks for row in told.confirmations] == ["2 seeds: too few"] * 2
    assert "95 %" not in "".join(said(told))
    assert told.not_supported[-1] == (
        "2 fresh seeds say nothing of how much seeds differ: 3 or more do (--confirm-seeds)."
    )


def test_points_with_one_seed_each_are_not_told_apart():
    plane = [{"hidden_size": size, "depth": 1} for size in (8, 16, 32)]
    told = summary([trial(n, 0.1 * n, settings=point) for n, point in enumerate(plane)], plane=plane)
    assert told.supported == []
    assert told.not_supported[0].startswith(
        "Between the 3 points of the plane no difference is supported: each was trained on one seed"
    )


def test_a_point_alone_is_not_compared():
    plane = [{"hidden_size": size, "depth": 1} for size in (8, 16)]
    told = summary([trial(0, 0.5, settings=plane[0]), trial(1, None, state="fail", settings=plane[1])], plane=plane)
    assert (told.supported, told.not_supported) == ([], [])
