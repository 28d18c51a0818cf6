"""A study's answer in sentences, from its `Summary`: what is printed, written, shown and sent, word for word."""

from collections import Counter
from collections.abc import Sequence

from rnnkit.core import wording
from rnnkit.runs import printing
from sweeps.analysis.ended import Lost
from sweeps.analysis.facts import Against, Best, Confirmation, Importance, Mean, Paired, Summary, TrialRow
from sweeps.analysis.inference import LEAST_SEEDS


MOST_NAMED = 6  # trials in a sentence, or runs in a line
# Over the sentences of a summary, wherever they are shown.
HEADINGS = {"supported": "What the data support", "not_supported": "What the data do not support"}
HEADINGS |= {"borders": "On the border of what was searched", "timing": "With the same seed"}


def headline(summary: Summary) -> str:
    """The study in one line."""
    counts = summary.trials
    again = f", {counts.again} again on fresh seeds" if counts.again else ""
    return (
        f"study {summary.study}: {wording.count(counts.ended, 'trial')} in {summary.minutes:.1f} minutes "
        f"({counts.finished} finished, {counts.pruned} pruned, {counts.failed} failed{again}), "
        f"{summary.cost_minutes:.1f} minutes of training"
    )


def nothing_in_words(summary: Summary) -> list[str]:
    """Why a study in which no trial finished has no answer, and what can be done."""
    failed = [row for row in summary.rows if row.state == "fail"]
    if not summary.rows:
        return ["no trial has finished yet"]
    kinds = Counter(map(_end_in_short, summary.rows))
    ends = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
    lines = [f"no trial finished, so there is no answer: {ends}"]
    if failed:
        lines.append(f"the last of them, trial {failed[-1].trial}: {failed[-1].reason or 'no reason given'}")
    if kinds["diverged"]:
        lines.append(
            f"lower the learning rates in SPACE of experiments/{summary.experiment}.py, or its clipping, and sweep "
            "under another name (--study)"
        )
    return lines


def _end_in_short(row: TrialRow) -> str:
    """How a trial that has no value ended."""
    if row.state == "fail":
        return (row.reason or "no reason given").partition(":")[0]
    return "without a value" if row.state == "complete" else row.state


def best_in_words(summary: Summary, best: Best) -> str:
    """The best configuration in one line, and of which runs its value is."""
    metric, settings = f"{wording.metric(summary.metric)} {wording.number(best.value)}", wording.settings(best.settings)
    if not best.runs:  # of an earlier version, which did not name them
        again = f" on fresh seeds (found with {wording.number(best.found)})" if summary.confirmations else ""
        return f"best: trial {best.trial}, {metric}{again} ({settings})"
    if best.fresh:
        of = f"as the mean of {wording.count(len(best.runs), 'run')} on fresh seeds{_interval(best.over)}"
        return (
            f"best: trial {best.trial}'s settings, {metric} {of}; found with {wording.number(best.found)} ({settings})"
        )
    if len(best.runs) > 1:
        trials = _named(best.trials)
        of = f"as the mean of these {len(best.runs)} runs{_interval(best.over)}"
        return f"best: the settings of trials {trials}, {metric} {of} ({settings})"
    return f"best: trial {best.trial}, {metric} in its one run ({settings})"


def _interval(mean: Mean | None) -> str:
    if mean is None:
        return ""
    return f", 95 % interval {mean.interval} over seeds" if mean.interval else f" ({mean.lacks} for an interval)"


def _named(trials: Sequence[int]) -> str:
    """Trials by their numbers, not more than fit into a sentence."""
    names = [str(trial) for trial in trials]
    return wording.listed([*names[:MOST_NAMED], f"{len(names) - MOST_NAMED} more"] if names[MOST_NAMED:] else names)


def test_in_words(summary: Summary, best: Best) -> list[str]:
    """The best configuration's scores on the test part, the baseline's beside them, and of which runs they are."""
    if not best.runs:  # of an earlier version
        means = summary.confirmations[0].test if summary.confirmations else {}
        lines = [
            f"{wording.metric(name)} {wording.number(value)}{_over(means.get(name))}"
            for name, value in best.test.items()
        ]
        beside = printing.beside(best.references, best.comparison)
        of = f", beside the run {best.run} alone" if summary.confirmations and best.comparison else ""
        return [*lines, *beside[:-1], *(f"{line}{of}" for line in beside[-1:])]
    several = len(best.runs) > 1
    of = f"as the mean of the same {len(best.runs)} runs" if several else "in the same run"
    lines = [
        f"{wording.metric(name)} {wording.number(value)} {of}{_interval(best.scores.get(name)) if several else ''}"
        for name, value in best.test.items()
    ]
    known = best.against.baseline if best.against else None
    lines += [printing.reference_in_words(one) for one in best.references or [] if one.what != known]
    lines += [against_in_words(best.against)] if best.against else []
    return [*lines, runs_in_words(best.runs)]


def _over(mean: Mean | None) -> str:
    return f", 95 % interval {mean.interval} over seeds" if mean and mean.interval else ""


def runs_in_words(runs: Sequence[str]) -> str:
    """Which runs it was."""
    more = f" and {len(runs) - MOST_NAMED} more" if runs[MOST_NAMED:] else ""
    return f"{'runs' if runs[1:] else 'run'}: {', '.join(runs[:MOST_NAMED])}{more}"


def against_in_words(against: Against) -> str:
    """A baseline beside the same runs, and whether the data tell them apart."""
    several, few = len(against.runs) > 1, against.examples < printing.LEAST_EXAMPLES
    of = f"the same {len(against.runs)} runs" if several else "the same run"
    measure = f"{against.measure} " if against.measure else ""
    begins = (
        f"{against.baseline} beside {of}, on the same {wording.count(against.examples, 'test example')}: "
        f"{measure}{wording.number(against.theirs)}; difference {against.difference:+.4f}"
    )
    if against.low is None or against.high is None:
        if len(against.runs) < LEAST_SEEDS:
            return f"{begins}; {wording.count(len(against.runs), 'run')} are too few for an interval over seeds"
        return f"{begins} in each; runs that do not differ give no interval over seeds"
    over = "seeds and examples" if several else "examples"
    verdict = printing.verdict(against.low, against.high, few)
    return f"{begins}, 95 % interval {against.low:+.4f} to {against.high:+.4f} over {over}: {verdict}"


def others_in_words(others: Sequence[Paired]) -> tuple[list[str], list[str]]:
    """Whether the best of what was run again is better than the others: what is supported, and what is not."""
    if not others:
        return [], []
    best = f"trial {others[0].trial}'s settings"
    many = others[0].comparisons
    how = "in pairs over the same fresh seeds" + (f", corrected for {many} comparisons" if many > 1 else "")
    better, close = [one for one in others if one.supported], [one for one in others if not one.supported]
    supported: list[str] = []
    if better:
        all_of = f"the best of the {len(others) + 1} that were run again, " if not close else ""
        each = "; ".join(f"trial {one.other}: {one.in_words}" for one in better[:MOST_NAMED])
        supported.append(f"{wording.capital(best)} are {all_of}better than those of {_trials(better)}, {how} ({each}).")
    not_supported: list[str] = []
    if close:
        each = "; ".join(f"trial {one.other}: {one.in_words}{_more(one)}" for one in close[:MOST_NAMED])
        not_supported.append(
            f"{wording.capital(best)} are not clearly better than those of {_trials(close)}, {how} ({each})."
        )
    return supported, not_supported


def _trials(tests: Sequence[Paired]) -> str:
    return f"{'trials' if tests[1:] else 'trial'} {_named([test.other for test in tests])}"


def _more(test: Paired) -> str:
    if test.more is None:
        return ""
    return f"; if they differ by as much, {wording.count(test.more, 'more seed')} would show it"


def lost_in_words(lost: Lost) -> str:
    """Which runs of some settings are not in their mean: one over those alone that went well flatters them."""
    of = "runs on fresh seeds" if lost.fresh else "trials"
    some = ", ".join(f"{count} {end}" for end, count in lost.ends.items())
    all_of = sum(lost.ends.values()) + lost.finished
    left = f"their mean is of the {wording.count(lost.finished, 'run')} that finished"
    return f"Of {all_of} {of} with trial {lost.trial}'s settings, {some}: {left if lost.finished else 'none finished'}."


def too_few(summary: Summary) -> list[str]:
    """What the answer does not say since runs are too few."""
    best, lines = summary.best, []
    if best and not best.fresh and summary.trials.finished > 1:
        what = f"trial {best.trial}'s value is" if len(best.runs) < 2 else "the mean of the best settings is"
        lines.append(
            f"{wording.capital(what)} the best of what {summary.trials.finished} finished trials came to, and "
            "flattered by that choice: no run on a fresh seed says how much (--confirm)."
        )
    counts = [row.count for row in summary.confirmations]
    if counts and min(counts) < 3:
        lines.append(
            f"{wording.capital(wording.count(min(counts), 'fresh seed'))} "
            f"{'say' if min(counts) > 1 else 'says'} nothing of how much seeds differ: 3 or more do (--confirm-seeds)."
        )
    return lines


def importances_in_words(summary: Summary) -> str:
    """How much each setting accounts for, in a line; what did not vary, and what was not weighed, is said as that."""
    found = summary.importance if summary.importance.shares else Importance(summary.importances, "fANOVA")
    shares = ", ".join(f"{name.replace('_', ' ')} {share:.0%}" for name, share in found.shares.items())
    over = f"over {found.trials} finished trials" if found.trials else "over finished trials"
    line = f"what the {wording.metric(summary.metric)} varied with, {over} ({found.method}): {shares}"
    if found.not_varied:
        line += f"; not varied: {wording.settings(found.not_varied)}"
    if found.not_weighed:
        names = ", ".join(name.replace("_", " ") for name in found.not_weighed)
        line += f"; not weighed, as not all of these trials have it: {names}"
    return line


def best_again(summary: Summary) -> str:
    """What was run again: `the best again`, `the best 3 again`."""
    several = len(summary.confirmations)
    return "the best again" if several == 1 else f"the best {several} again"


def confirmed_columns(rows: Sequence[Confirmation]) -> list[str]:
    """The scores on the test part that all of what was run again has."""
    return [name for name in rows[0].test if all(name in row.test for row in rows)] if rows else []


def interval_or_why(mean: Mean) -> str:
    """The interval of a mean, or why it has none."""
    return mean.interval or mean.lacks


def value_in_words(trial: TrialRow) -> str:
    """What a trial came to, as the last table has it."""
    value = f"{wording.number(trial.value)}" if trial.state == "complete" and trial.value is not None else trial.state
    value += f" ({trial.reason})" if trial.reason else ""
    return value + (f", went on after step {wording.plain(trial.resumed_after[-1])}" if trial.resumed_after else "")
