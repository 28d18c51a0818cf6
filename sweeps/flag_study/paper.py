"""docs/flags.md from the bank: question, bank, signs, what foretells how well, and what does not.

python -m sweeps.flag_study.paper        # from what is in the bank's file, however much that is
"""

import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rnnkit.core import Checked, UserError, cli, files, writing
from rnnkit.runs import flags, printing
from sweeps.flag_study import advising, besides, drawn, entries, foretelling, scores, shipped
from sweeps.flag_study.entries import Entry
from sweeps.flag_study.foretelling import Interval, Known
from sweeps.flag_study.pages import row, ruled, words, wrapped
from sweeps.study import suggestions


SHARES = tuple(f"{moment / drawn.STEPS:.0%}" for moment in drawn.MOMENTS)
# What models are told, by the beginnings of the names of signs.
TOLD = {
    "settings": ("before: learning rate", "before: hidden size", "before: depth", "before: span"),
    "published scores": tuple(f"before: {name}" for name in scores.UNTRAINED[:3]),
    "all signs": ("before", "now"),
    "validation loss": ("validation loss",),
    "signs and validation loss": ("before", "now", "validation loss"),
}
ALL, LOSS, BOTH = "all signs", "validation loss", "signs and validation loss"
USED = "what every record has"  # which is what runs and sweeps foretell by
AIMS = ("at least .85 before the first step", 0, 0.85), ("at least .95 after a fifth", len(drawn.MOMENTS) - 1, 0.95)

HEAD = """# Which nets will learn, foretold before training and early in it

For you if you want to know how far a warning about a net that does not learn can be trusted.

**Question.** What tells, before the first step or in the first fifth of training, whether a recurrent net will learn,
on tasks and for cells that were never seen? And is it more than the validation loss so far says?

**Bank.** {count} of {planned} nets, drawn at random and trained for 1,000 steps each: {tasks}. Cells {cells}, all their
starts, 1 to 3 layers of 8 to 64 units, learning rates from 0.0001 to 0.1, with clipping and without, three seeds. The
other cells are left out: their steps take 10 times as long. A net has learned that came four fifths of the way from a
cheap baseline's test loss to the best known one. {learned} did ({share:.0%}); {diverged} diverged, which counts as not
learned.

| task | nets | learned | cheap baseline | best known |
|---|---|---|---|---|
{by_task}

**Signs.** {signs} numbers for each net: its settings, one look at its states and gradients through time on eight
sequences, and the norms of gradients; before training, and again after 2, 5, 10 and 20 % of the steps. Before training
also what others have published: the largest and the mean Lyapunov exponent, and hidden covariance. Of the processor
time of training, looks took {looks:.1%} at the median, published scores {scores:.1%}.

**Models.** A logistic regression on the rank of each sign, and for some ({two_sided}) on how far it is from the middle.
It is fitted on all families of tasks but one, or on all cells but one, and foretells those of that one. The same model
is told settings alone, or validation losses so far: where the loss is, how it fell, where it would end. Each task has a
level of its own while the model is fitted, so that signs count for what they tell of nets of the same task. Runs that
diverged before a moment are not foretold any more. *What every record has*: the signs that any run logs, and its
validation losses; runs and sweeps foretell by these.

## What comes out

The area under the ROC curve (AUC) is the share of all pairs of a net that learned and one that did not in which the
first had the larger chance: 1 foretells perfectly, 0.5 is luck. Pairs are *of the same task*, so that nothing is gained
by telling hard tasks from easy ones. In brackets 95 % intervals (bootstrap over tasks).

"""


@dataclass(frozen=True)
class Options(Checked):
    """Where the bank is, and where the page is to be."""

    file: Path = Path("docs/bank/flags.jsonl")
    """What was seen of the runs."""
    to: Path = Path("docs/flags.md")
    """The page."""
    cures: Path = Path("docs/bank/cures.jsonl")
    """What was seen of nets with cures."""
    models: Path = Path("rnnkit/runs/foretelling/models.json")
    """The models for runs and sweeps."""


def page(bank: Sequence[Entry], cured: Sequence[Entry] = ()) -> str:
    """The whole page."""
    moments = [foretelling.at(bank, moment) for moment in range(len(drawn.MOMENTS))]
    tasks = [judged(known, known.families, moment) for moment, known in enumerate(moments)]
    cells = [judged(known, known.cells, moment) for moment, known in enumerate(moments)]
    parts = [
        head(bank),
        "Families of tasks that were held out:\n\n",
        table(moments, tasks),
        "\nCells that were held out:\n\n",
        table(moments, cells),
        aims(moments, tasks),
        trust(moments, tasks),
        single(moments),
        tried(moments, tasks),
        flagged(bank),
        advising.rescued(bank, cured) if cured else "",
        again(len(bank)),
    ]
    return "".join(parts)


def judged(known: Known, groups: np.ndarray, moment: int) -> dict[str, np.ndarray]:
    """The chances that each model gives, each of shape (runs,), by what it is told."""
    wanted = {name: known.of(lambda sign, told=told: sign.startswith(told)) for name, told in TOLD.items()}
    wanted[USED] = known.of(shipped.told(moment).__contains__)
    return {name: foretelling.held_out(of, groups) for name, of in wanted.items()}


def head(bank: Sequence[Entry]) -> str:
    """Question, bank, signs and models."""
    tasks = [task.name for task in drawn.TASKS]
    rows = []
    for task in tasks:
        nets = [entry for entry in bank if entry.task == task]
        if nets:
            baseline, best = nets[0].limits
            came = sum(map(foretelling.learned, nets))
            rows.append(f"| {task} | {len(nets)} | {came} | {baseline:.4g} | {best:.4g} |")
    learned = sum(map(foretelling.learned, bank))
    trained = [entry.seconds[0] - sum(entry.seconds[1:]) for entry in bank]
    looks, published = (
        statistics.median(entry.seconds[kind] / max(seconds, 0.1) for entry, seconds in zip(bank, trained, strict=True))
        for kind in (1, 2)
    )
    text = HEAD.format(
        count=len(bank),
        planned=len(tasks) * drawn.POINTS,
        tasks=", ".join(tasks),
        cells=", ".join(drawn.drawn_cells()),
        learned=learned,
        share=learned / len(bank),
        diverged=sum(entry.status == "diverged" for entry in bank),
        by_task="\n".join(rows),
        signs=len(scores.NAMES),
        two_sided="; ".join(foretelling.TWO_SIDED),
        looks=looks,
        scores=published,
    )
    return "\n\n".join(p if p.startswith(("|", "#")) else wrapped(p) for p in text.split("\n\n"))


def inside(known: Known, chances: np.ndarray) -> Interval:
    """The area under the ROC curve over pairs of the same task."""
    return foretelling.interval(foretelling.within(known, chances), len(foretelling.places(known)))


def table(moments: Sequence[Known], found: Sequence[dict[str, np.ndarray]]) -> str:
    """What each model foretells at each moment, and how far signs are ahead of the validation loss."""
    lines = [ruled(["told", *("before training" if share == "0%" else f"at {share}" for share in SHARES)])]
    for name in (*TOLD, USED):
        lines.append(row([name, *(words(inside(k, f[name])) for k, f in zip(moments, found, strict=True))]))
    for name in (ALL, BOTH, USED):
        both = zip(moments, found, strict=True)
        gaps = [words(foretelling.ahead(k, f[name], f[LOSS])) for k, f in both]
        lines.append(row([f"{name}, less validation loss alone", *gaps]))
    return "".join(lines)


def aims(moments: Sequence[Known], found: Sequence[dict[str, np.ndarray]]) -> str:
    """Which aims were reached, on families that were held out."""
    lines = ["\n## What was aimed at\n\n"]
    for words_of_aim, moment, least in AIMS:
        value, low, _ = inside(moments[moment], found[moment][BOTH])
        said = "reached for sure" if low >= least else "reached, and not for sure" if value >= least else "not reached"
        lines.append(f"- {words_of_aim}: {said}, {value:.2f}.\n")
    gaps = [foretelling.ahead(k, f[BOTH], f[LOSS]) for k, f in zip(moments, found, strict=True)]
    surely = [share for share, gap in zip(SHARES, gaps, strict=True) if gap[1] > 0]
    lines.append(f"- better than validation loss alone at every moment: for sure at {', '.join(surely) or 'none'}.\n")
    return "".join(lines)


def trust(moments: Sequence[Known], found: Sequence[dict[str, np.ndarray]]) -> str:
    """How chances hold, and what comes of calling nets hopeless."""
    lines = [
        "\n## How far chances hold\n\n",
        wrapped(
            "How large chances are does not carry over to tasks that were not seen as well as their order does. So "
            "`--foretell` ends a trial after a fifth of its steps where its chance is less than "
            f"{suggestions.LIKELY} of the largest that a trial before it had. Were all of a task's nets one sweep, it "
            "would end as many of those that learn and of the others as the table says. Where a few nets learn and "
            "others may do as well without them, what counts is the third number: tasks in which no net that learns "
            "would be left."
        )
        + "\n\n",
        "Brier: the mean squared error of chances. Off by: how far chances are from shares, by tenths of the nets.\n\n",
        ruled(
            ["known", "told", "Brier", "off by", "ended of those that learn", "of the others", "tasks", "AUC of all"]
        ),
    ]
    for share, known, models in zip(SHARES, moments, found, strict=True):
        for name in (ALL, LOSS, BOTH, USED):
            chances, learned = models[name], known.learned
            tasks = foretelling.places(known)
            best = foretelling.by_group(known.tasks, lambda rows, chances=chances: chances[rows].max())
            kept = chances >= suggestions.LIKELY * best
            ended = [f"{(~kept)[rows].sum()} of {rows.sum()}" for rows in (learned, ~learned)]
            able = [rows for rows in tasks if learned[rows].any()]
            ended.append(f"{sum(not (kept & learned)[rows].any() for rows in able)} of {len(able)}")
            area = foretelling.interval(foretelling.whole(known, chances), len(foretelling.places(known)))
            brier = ((chances - learned) ** 2).mean()
            off = foretelling.miscalibration(chances, learned)
            lines.append(row([share, name, f"{brier:.3f}", f"{off:.3f}", *ended, words(area)]))
    return "".join(lines)


def single(moments: Sequence[Known]) -> str:
    """Each sign by itself, before training and at the last moment."""
    lines = ["\n## Each sign by itself\n\nFamilies that were held out.\n\n", ruled(["known", "sign", "AUC"])]
    for share, known in (("0%", moments[0]), (SHARES[-1], moments[-1])):
        beginning = "before: " if share == "0%" else "now: "
        names = [name for name in known.names if name.startswith((beginning, LOSS))]
        areas = {}
        for name in names:
            one = known.of(lambda sign, name=name: sign == name)
            areas[name] = inside(one, foretelling.apart(one, one.families, foretelling.PENALTIES[0]))
        for name in sorted(names, key=lambda name: -np.nan_to_num(areas[name][0])):
            lines.append(row([share, name.removeprefix(beginning), words(areas[name])]))
    return "".join(lines)


def tried(moments: Sequence[Known], found: Sequence[dict[str, np.ndarray]]) -> str:
    """Other models of the same signs, and what nets of the same tasks would tell."""
    known = {when: moments[when].of(shipped.told(when).__contains__) for when in (0, len(moments) - 1)}
    chances = {when: {"the model in use": found[when][USED], **besides.others(of)} for when, of in known.items()}
    for when, of in known.items():
        chances[when]["the model in use, fitted on nets of the same tasks too"] = besides.of_the_same_tasks(of)
    lines = [
        f"\n## What else was tried\n\nTold {USED}, families held out save in the last row.\n\n",
        ruled(["model", *("before training" if when == 0 else f"at {SHARES[when]}" for when in known)]),
    ]
    for name in next(iter(chances.values())):
        lines.append(row([name, *(words(inside(of, chances[when][name])) for when, of in known.items())]))
    return "".join(lines)


def flagged(bank: Sequence[Entry]) -> str:
    """In how many nets that learned, and others, each flag is raised."""
    lines = [
        "\n## Flags\n\nIn how many nets the rules of `rnnkit/runs/flags.py` raise a flag on what was seen then.\n\n",
        ruled(["known", "flag", "raised in failed", "in learned"]),
    ]
    for moment in (0, len(drawn.MOMENTS) - 1):
        there = [entry for entry in bank if len(entry.signs) > moment]
        raised = [scores.raised(entry.signs[moment]) for entry in there]
        learned = [foretelling.learned(entry) for entry in there]
        for name in (name for name in flags.NAMES if any(name in found for found in raised)):
            shares = [
                f"{sum(name in found for found, did in zip(raised, learned, strict=True) if did == which)} of "
                f"{learned.count(which)}"
                for which in (False, True)
            ]
            lines.append(row([SHARES[moment], name, *shares]))
    return "".join(lines)


def again(count: int) -> str:
    """How to get it again, and what is missing."""
    whole = len(drawn.TASKS) * drawn.POINTS
    some = (
        f" So far {count} of {whole} are done: they were drawn at random, and so is any part." if count < whole else ""
    )
    text = (
        f"`python -m sweeps.flag_study.filling` does the runs that are not done yet.{some} "
        "`python -m sweeps.flag_study.paper` writes this page, and the models that runs and sweeps use. "
        "[The bank](bank/flags.jsonl) has what was seen of each net."
    )
    return f"\n## Again\n\n{wrapped(text)}\n"


def main() -> None:
    """Write the page."""
    options = cli.parse(Options, "python -m sweeps.flag_study.paper", sys.argv[1:], __doc__)
    bank = entries.read(options.file)
    if not bank:
        raise UserError(f"no run is in {options.file} yet: python -m sweeps.flag_study.filling does them")
    with writing(options.to.parent):
        files.write_whole(options.to, page(bank, entries.read(options.cures)).encode())
        files.write_json(options.models, {"format": 1, "models": shipped.models(bank)})
    print(f"page: {printing.shown(options.to)}, models: {printing.shown(options.models)}")


if __name__ == "__main__":
    cli.main(main)
