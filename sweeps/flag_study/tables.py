"""docs/flags.md from the bank of runs: how well each sign tells the nets that will not learn."""

import math
from collections.abc import Sequence

import numpy as np


DRAWS = 2_000  # of the bootstrap

HEAD = """# Do the flags foretell which nets fail?

For you if you want to know how far to trust a warning about a net that does not learn.

{count} runs of `python -m experiments.memory`, 1,500 steps each: adding (T = 50, 200), copying (20, 100) and temporal
order (50, 150); RNN, GRU and LSTM of 32 units, {nets} kinds by cell and initialisation; learning rates 0.001 and 0.01;
one seed. {learned} learned: their test loss is below half of what nets without memory get. {diverged} diverged, which
counts as not learned.

A sign is a number known *before* the first step or after *a fifth* of the steps. The area under its ROC curve (AUC) is
the share of all pairs of a failed and a learned run in which the failed one looked worse: 1 foretells perfectly, 0.5
is chance, below that the sign points the wrong way. In brackets a 95 % interval (bootstrap over runs, {draws:,} draws).
*Within a task* compares only runs of the same task and length, so that a sign gains nothing by telling hard tasks from
easy ones. A flag is raised or not: beside its AUC stands in how many failed and learned runs it was raised.

| known | sign | AUC | within a task | raised in failed | in learned |
|---|---|---|---|---|---|
"""

TAIL = """
`python -m sweeps.flag_study` runs what is missing and writes this page. Each run's signs are in
[flags.json](flags.json); the rules are in `rnnkit/runs/flags.py`.

## Which learned

Test loss over the loss without memory, by task and length; **bold** where it learned.

"""


def page(runs: Sequence) -> str:
    """The whole page. `runs` are `sweeps.flag_study.bank.Judged`."""
    failed = np.array([not run.learned for run in runs])
    groups = np.array([f"{run.task} {run.length}" for run in runs])
    lines = [sign_row(name, runs, failed, groups) for name in runs[0].signs]
    counts = {"count": len(runs), "nets": len({(run.cell, run.init) for run in runs}), "learned": int((~failed).sum())}
    head = HEAD.format(**counts, diverged=sum(run.status == "diverged" for run in runs), draws=DRAWS)
    return head + "\n".join(lines) + "\n" + TAIL + grid(runs)


def sign_row(name: str, runs: Sequence, failed: np.ndarray, groups: np.ndarray) -> str:
    """One line of the table."""
    known, _, what = name.partition(": ")
    values = np.array([math.nan if run.signs[name] is None else run.signs[name] for run in runs])
    there = np.isfinite(values)
    values, failed, groups = values[there], failed[there], groups[there]
    missing = f" ({(~there).sum()} runs without)" if not there.all() else ""
    cells = [known, what + missing, interval(values, failed), words(within(values, failed, groups))]
    is_flag = what.startswith(("flag ", "any flag"))
    cells += [f"{int(values[of].sum())} of {int(of.sum())}" if is_flag else "" for of in (failed, ~failed)]
    return "| " + " | ".join(cells) + " |"


def area(values: np.ndarray, failed: np.ndarray) -> float:
    """The area under the ROC curve of a sign, ties counted half; NaN where all runs failed or none did.

    That is the Mann-Whitney statistic over the number of pairs (Hanley & McNeil, 1982).
    """
    failures, others = values[failed], np.sort(values[~failed])
    if not len(failures) or not len(others):
        return math.nan
    below = np.searchsorted(others, failures, "left") + np.searchsorted(others, failures, "right")
    return below.mean() / (2 * len(others))


def within(values: np.ndarray, failed: np.ndarray, groups: np.ndarray) -> float:
    """The area over pairs of the same group alone: the groups' areas, weighted with their numbers of pairs."""
    members = [groups == name for name in np.unique(groups)]
    found = [(area(values[g], failed[g]), failed[g].sum() * (~failed[g]).sum()) for g in members]
    pairs = sum(count for _, count in found)
    return sum(one * count for one, count in found if count) / pairs if pairs else math.nan


def interval(values: np.ndarray, failed: np.ndarray) -> str:
    """An area with its 95 % interval."""
    generator = np.random.default_rng(0)
    draws = generator.integers(len(values), size=(DRAWS, len(values)))
    areas = [area(values[draw], failed[draw]) for draw in draws]
    low, high = np.nanpercentile(areas, [2.5, 97.5])
    return f"{words(area(values, failed))} ({words(low)} to {words(high)})"


def words(value: float) -> str:
    """An area as the table shows it."""
    return "not defined" if math.isnan(value) else f"{value:.2f}"


def grid(runs: Sequence) -> str:
    """The relative losses, a row for each net and a column for each task."""
    tasks = list(dict.fromkeys((run.task, run.length) for run in runs))
    nets = list(dict.fromkeys((run.cell, run.init, run.learning_rate) for run in runs))
    cells = {((r.cell, r.init, r.learning_rate), (r.task, r.length)): r for r in runs}
    lines = ["| net | learning rate | " + " | ".join(f"{task} {length}" for task, length in tasks) + " |"]
    lines.append("|" + "---|" * (len(tasks) + 2))
    for cell, init, rate in nets:
        found = [relative(cells.get(((cell, init, rate), task))) for task in tasks]
        lines.append(f"| {cell.upper()}, {init} | {rate:g} | " + " | ".join(found) + " |")
    return "\n".join(lines) + "\n"


def relative(run) -> str:
    """One cell: the test loss as a share of that without memory."""
    if run is None:
        return ""
    if run.loss is None:
        return run.status
    share = f"{run.loss / run.without_memory:.3f}"
    return f"**{share}**" if run.learned else share
