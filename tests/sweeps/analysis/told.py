"""Trials that have ended as they are needed: made up, so that what is to be said of them is known."""

import itertools

import numpy as np

from rnnkit.evaluation import compare
from sweeps.analysis import answer
from sweeps.analysis.answer import Asked
from sweeps.analysis.comparing import Group
from sweeps.analysis.ended import Ended


def trial(number, value, repeat=None, state="complete", **given):
    """A trial, or with `repeat` a run of its settings on a fresh seed; `rate` is its learning rate."""
    rate = given.pop("rate", round(0.001 * (number + 1), 3))
    settings = given.pop("settings", {"hidden_size": 16, "depth": 1, "learning_rate": rate})
    name = f"run-{number}" if repeat is None else f"run-{number}-fresh-{repeat}"
    test = given.pop("test", {} if value is None else {"metric/accuracy/test": value - 0.01})
    return Ended(number, state, value, settings, name, repeat=repeat, test=test, **given)


def asked(metric="metric/accuracy/valid", lower=False, confirm=(0, 3), plane=()):
    """What a study was to find out."""
    return Asked("made", "digits", metric, lower, plane=list(plane), confirm=confirm)


def summary(searched, fresh=(), **question):
    """What a study with these trials came to."""
    return answer.summarised(asked(**question), searched, list(fresh))


def fresh(values):
    """Runs on fresh seeds, from their values by trial."""
    return [trial(n, value, repeat) for n, several in values.items() for repeat, value in enumerate(several)]


def compared(ours, theirs, examples=100, baseline="logistic regression"):
    """A comparison of a net that gets the first `ours` examples right with a baseline that does the first `theirs`."""
    places = np.arange(examples)
    return compare(baseline, places < ours, places < theirs)


def group(name, values, seeds=None, metric="metric/accuracy/test", **given):
    """A group of runs with these values of a metric, on these seeds."""
    seeds = list(itertools.islice(seeds or itertools.count(), len(values)))
    scores = {metric: dict(zip(seeds, values, strict=True))}
    return Group(name, "digits", [f"{name}-{seed}" for seed in seeds], scores, **given)
