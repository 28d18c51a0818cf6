"""What is best advised where a net fails, and what `--init auto` comes to: judged on tasks that were not looked at.

Advice for the nets of a family of tasks is what rescued most nets of the other families. The start that is taken for a
net is the one whose chance is largest by a model of the other families.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from rnnkit.runs import flags
from sweeps.flag_study import curing, foretelling, scores, shipped
from sweeps.flag_study.entries import Entry
from sweeps.flag_study.foretelling import Interval, learned
from sweeps.flag_study.pages import row, ruled, words, wrapped


SLOW = 0.003  # a learning rate below which a larger one is worth a try


@dataclass(frozen=True)
class Started:
    """Which share of nets learned, each with every start of its cell, over tasks with 95 % intervals."""

    nets: int
    default: Interval
    auto: Interval
    best: Interval  # of all starts, which nobody knows beforehand


def nets_of(cured: Iterable[Entry]) -> dict[int, dict[str, Entry]]:
    """What was tried on each net: what came of it by cure."""
    found: dict[int, dict[str, Entry]] = {}
    for entry in cured:
        found.setdefault(entry.number, {})[entry.settings["cure"]] = entry
    return found


def flags_of(entry: Entry) -> set[str]:
    """The flags that a net raised in what was seen of it last."""
    return scores.raised(entry.signs[-1])


def best_first(tried: Iterable[dict[str, Entry]]) -> list[str]:
    """The cures, by the share of nets that each rescued; of equal ones that which was tried on more comes first."""
    outcomes: dict[str, list[bool]] = {}
    for cures in tried:
        for cure, entry in cures.items():
            outcomes.setdefault(cure, []).append(learned(entry))
    return sorted(outcomes, key=lambda cure: (-np.mean(outcomes[cure]), -len(outcomes[cure])))


def advised(bank: Sequence[Entry], cured: Sequence[Entry]) -> Interval:
    """Which share of failing nets that any cure rescued is rescued by the one advised, by families held out.

    Advised is the best cure of other families' nets that raised one of the same flags, of those that change this net.
    """
    failing = {entry.number: entry for entry in bank if not learned(entry)}
    nets = {number: cures for number, cures in nets_of(cured).items() if number in failing}
    hits: dict[str, list[bool]] = {}
    for number, cures in nets.items():
        if any(map(learned, cures.values())):
            entry = failing[number]
            others = [n for n in nets if failing[n].family != entry.family]
            alike = [n for n in others if flags_of(failing[n]) & flags_of(entry)] or others
            order = best_first(nets[n] for n in alike)
            choice = next((cure for cure in order if cure in cures), None)
            hits.setdefault(entry.task, []).append(choice is not None and learned(cures[choice]))
    return _over_tasks(hits)


def started(bank: Sequence[Entry], cured: Sequence[Entry]) -> Started:
    """What nets come to with the default start, with that which is likeliest to learn, and with the best of all."""
    tried = nets_of(entry for entry in cured if entry.settings["cure"] in curing.STARTS)
    own = {entry.number: entry for entry in bank if entry.number in tried}
    nets = {n: {f"{own[n].settings['init']} start": own[n], **starts} for n, starts in tried.items()}
    nets = {n: starts for n, starts in nets.items() if "default start" in starts and len(starts) > 1}
    flat = [entry for starts in nets.values() for entry in starts.values()]
    chances = dict(zip(map(id, flat), _chances(bank, flat), strict=True))
    by_kind: dict[str, dict[str, list[bool]]] = {"default": {}, "auto": {}, "best": {}}
    for starts in nets.values():
        likeliest = max(starts.values(), key=lambda entry: chances[id(entry)])
        task = likeliest.task
        by_kind["default"].setdefault(task, []).append(learned(starts["default start"]))
        by_kind["auto"].setdefault(task, []).append(learned(likeliest))
        by_kind["best"].setdefault(task, []).append(any(map(learned, starts.values())))
    return Started(len(nets), *map(_over_tasks, by_kind.values()))


def _chances(bank: Sequence[Entry], nets: Sequence[Entry]) -> np.ndarray:
    """The chance of each net before training, of shape (nets,), by a model of the bank's other families."""
    there = shipped.known([*bank, *nets], 0)
    in_bank = np.arange(len(there.learned)) < len(bank)
    found = np.zeros(len(there.learned))
    for family in np.unique(there.families[~in_bank]):
        train, test = in_bank & (there.families != family), ~in_bank & (there.families == family)
        known = foretelling.part(there, train)
        penalty = foretelling.chosen(known, known.families)
        found[test] = foretelling.fitted(known, foretelling.part(there, test), penalty)
    return found[~in_bank]


def _over_tasks(hits: dict[str, list[bool]]) -> Interval:
    tasks = [np.array(of, dtype=float) for of in hits.values()]
    if not tasks:
        return float("nan"), float("nan"), float("nan")
    return foretelling.interval(lambda draw: float(np.concatenate([tasks[i] for i in draw]).mean()), len(tasks))


def rescued(bank: Sequence[Entry], cured: Sequence[Entry]) -> str:
    """Which cures rescue nets that failed, what advice and `--init auto` come to."""
    failing = {entry.number: entry for entry in bank if not learned(entry)}
    of_failing = [entry for entry in cured if entry.number in failing]
    nets = {entry.number for entry in of_failing}
    curable = {entry.number for entry in of_failing if learned(entry)}
    raised = {name: {n for n in nets if name in flags_of(failing[n])} for name in flags.NAMES}
    raised = {name: numbers for name, numbers in raised.items() if numbers}
    lines = [
        "\n## Cures\n\n",
        wrapped(
            f"Of {len(nets)} nets that failed, the first in the bank, some cure rescued {len(curable)}. Shares are of "
            "the nets that a cure changes, in brackets 95 % intervals over tasks; a flag's column has the nets that "
            "raised it in the last look."
        )
        + "\n\n",
        ruled(["cure", "nets", "rescued", *raised]),
    ]
    for cure, outcome in curing.outcomes(of_failing).items():
        by_flag = []
        for numbers in raised.values():
            tried = [e for e in of_failing if e.settings["cure"] == cure and e.number in numbers]
            by_flag.append(f"{sum(map(learned, tried))} of {len(tried)}")
        lines.append(row([cure, str(outcome.tried), words(outcome.rescued), *by_flag]))
    tenfold = [entry for entry in of_failing if entry.settings["cure"] == "tenfold learning rate"]
    slow = [entry for entry in tenfold if failing[entry.number].settings["learning_rate"] < SLOW]
    by_rate = (
        f"Ten times the learning rate rescued {sum(map(learned, slow))} of {len(slow)} nets whose rate was below "
        f"{SLOW}, and {sum(map(learned, tenfold)) - sum(map(learned, slow))} of {len(tenfold) - len(slow)} others."
    )
    said = (
        f"The advice for a net is the cure that rescued most nets with one of its flags in other families of tasks: it "
        f"rescues {words(advised(bank, cured))} of those that any cure rescues."
    )
    found = started(bank, cured)
    said_of_starts = (
        f"`--init auto` takes the start with the largest chance before training, by a model of the other families. Of "
        f"{found.nets} nets that were trained with each start of their cell, {words(found.default)} learn with the "
        f"default start, {words(found.auto)} with that one, and {words(found.best)} with one or another."
    )
    return "".join([*lines, "\n", wrapped(by_rate), "\n\n", wrapped(said), "\n\n", wrapped(said_of_starts), "\n"])
