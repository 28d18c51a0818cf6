"""Studies, comparisons and tables whose truth is known, and how many of what is said of them is right."""

import math
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from rnnkit import evaluation
from sweeps.analysis import answer, comparing, tables
from sweeps.analysis.answer import Asked
from sweeps.analysis.comparing import Group
from sweeps.analysis.ended import Ended
from sweeps.analysis.facts import Mean, Summary


METRICS = ("accuracy", "perplexity", "loss", "excess")


@dataclass(frozen=True)
class Truth:
    """What a study's runs are drawn from: the mean and the spread of each configuration, by its learning rate."""

    metric: str
    means: dict[float, float]
    spreads: dict[float, float]

    @property
    def sign(self) -> int:
        """-1 where lower is better."""
        return 1 if evaluation.metric(self.metric).direction == evaluation.Direction.MAXIMIZE else -1

    def drawn(self, rng: np.random.Generator, which: float) -> float:
        """The value of a run."""
        mean, spread = self.means[which], self.spreads[which]
        if self.metric == "accuracy":
            many = mean * (1 - mean) / spread**2 - 1
            return float(rng.beta(mean * many, (1 - mean) * many))
        if self.metric == "excess":
            return float(rng.normal(mean, spread))
        least = evaluation.metric(self.metric).limits[0]
        width = math.sqrt(math.log1p((spread / (mean - least)) ** 2))
        return least + float(rng.lognormal(math.log(mean - least) - width**2 / 2, width))

    def is_better(self, one: float, other: float) -> bool:
        """Whether the one is truly better than the other."""
        return self.sign * (self.means[one] - self.means[other]) > 0


@dataclass
class Tally:
    """How many there were of each thing that can be right or wrong, and how many of these were."""

    seen: Counter = field(default_factory=Counter)
    hits: Counter = field(default_factory=Counter)

    def note(self, what: str, hit: bool) -> None:
        """Count one."""
        self.seen[what] += 1
        self.hits[what] += hit

    def share(self, what: str) -> float:
        """How many of them hit."""
        return self.hits[what] / max(self.seen[what], 1)


def truth(rng: np.random.Generator, count: int) -> Truth:
    """True means: of one in three studies all alike, of one the best ones alike, of one all different."""
    metric = METRICS[rng.integers(len(METRICS))]
    level = {"accuracy": rng.uniform(0.6, 0.985), "perplexity": rng.uniform(20, 200)}.get(metric, rng.uniform(0.5, 2))
    room = min(level, 1 - level) if metric == "accuracy" else level
    spread = room * 10 ** rng.uniform(-2.3, -1)
    apart = rng.choice([0.0, 1.0, 4.0]) * spread
    steps = np.abs(rng.normal(0, apart, count)) if apart else np.zeros(count)
    if rng.integers(2):
        steps[:3] = 0.0
    worse = -1 if evaluation.metric(metric).direction == evaluation.Direction.MAXIMIZE else 1
    names = [round(0.001 * (1 + number), 3) for number in range(count)]
    least = 0.2 * level
    means = {name: float(max(level + worse * step, least)) for name, step in zip(names, steps, strict=True)}
    return Truth(metric, means, {name: float(spread * rng.uniform(0.7, 1.4)) for name in names})


def ended(true: Truth, rng: np.random.Generator, trial: int, which: float, repeat: int | None = None) -> Ended:
    """A run, with a test score drawn like its validation score."""
    size = 8 * round(which / 0.001)
    settings = {"hidden_size": size, "depth": 1, "learning_rate": which}
    value, test = true.drawn(rng, which), true.drawn(rng, which)
    name = f"run-{trial}" if repeat is None else f"run-{trial}-{repeat}"
    test = {f"metric/{true.metric}/test": test}
    return Ended(trial, "complete", value, settings, name, repeat=repeat, seconds=1.0, parameters=size, test=test)


def study(rng: np.random.Generator) -> tuple[Truth, Summary]:
    """A study: its points once or, as a grid, several times, and the best of them again on fresh seeds."""
    count, rounds = int(rng.integers(4, 13)), int(rng.choice([1, 1, 3, 5]))
    true = truth(rng, count)
    names = list(true.means)
    searched = [ended(true, rng, n, names[n % count]) for n in range(count * rounds)]
    again, seeds = int(rng.integers(1, 5)), int(rng.choice([3, 3, 5, 10]))
    plane = [{"hidden_size": 8 * (n + 1), "depth": 1, "learning_rate": name} for n, name in enumerate(names)]
    asked = Asked("simulated", "digits", f"metric/{true.metric}/valid", true.sign < 0, plane=plane)
    asked = answer.Asked(**{**vars(asked), "confirm": (again, seeds)})
    first = answer.ended.configurations(searched, asked.score)[:again]
    fresh = [ended(true, rng, g[0].trial, g[0].settings["learning_rate"], seed) for g in first for seed in range(seeds)]
    return true, answer.summarised(asked, searched, fresh)


def covers(mean: Mean | None, value: float) -> bool | None:
    """Whether an interval holds the truth; None where there is none."""
    return None if mean is None or mean.low is None or mean.high is None else mean.low <= value <= mean.high


def judge(true: Truth, summary: Summary, tally: Tally) -> None:
    """Count what the study's answer got right and wrong."""
    rate = {row.trial: row.settings["learning_rate"] for row in summary.rows}
    for row in summary.confirmations:
        for mean in (row, *row.test.values()):
            if (hit := covers(mean, true.means[rate[row.trial]])) is not None:
                tally.note("intervals of what was run again cover", hit)
                tally.note(f"intervals of means cover, {true.metric}", hit)
                tally.note(f"intervals of means cover, {mean.count} seeds", hit)
    best = summary.best
    if best and (hit := covers(best.over, true.means[rate[best.trial]])) is not None:
        tally.note("the interval of the best covers", hit)
    if len(summary.confirmations) > 1:
        named = any("are the best of the" in line for line in summary.supported)
        others = [rate[row.trial] for row in summary.confirmations if row.trial != best.trial]
        right = all(true.is_better(rate[best.trial], other) for other in others)
        tally.note("a best without doubt is named, and is not", named and not right)
        tally.note("a best without doubt is named", named)
        wrong = any(one.supported and not true.is_better(rate[one.trial], rate[one.other]) for one in summary.others)
        tally.note("a difference on fresh seeds is supported, and is not", wrong)
    said = next((line for line in summary.supported if line.startswith("In the plane, ")), "")
    pairs = said.removeprefix("In the plane, ").partition(" (")[0].partition(" is better than ")
    size = lambda name: round(0.001 * int(name.split(" x ")[0]) / 8, 3)
    worse = [size(name) for part in pairs[2].split(", ") for name in part.split(" and ")] if said else []
    tally.note(
        "a difference in the plane is supported, and is not", any(not true.is_better(size(pairs[0]), w) for w in worse)
    )
    tally.note("a difference in the plane is supported", bool(said))


def tabled(true: Truth, rng: np.random.Generator, tally: Tally) -> None:
    """Count what a table and a comparison of groups on several seeds got right and wrong."""
    names = list(true.means)[: int(rng.integers(2, 6))]
    seeds, same = int(rng.choice([3, 5, 10])), bool(rng.integers(2))
    metrics = [f"metric/{true.metric}/test", f"metric/{true.metric}/valid"]
    groups = []
    for place, name in enumerate(names):
        numbers = range(seeds) if same else range(100 * place, 100 * place + seeds)
        scores = {metric: {seed: true.drawn(rng, name) for seed in numbers} for metric in metrics}
        groups.append(Group(str(name), "digits", [f"run-{name}-{seed}" for seed in numbers], scores))
    found = tables.table(groups, [(metric, true.sign < 0) for metric in metrics], "made")
    bold = [float(column.best) for column in found.columns if column.best]
    right = all(true.is_better(one, other) for one in bold for other in names if other != one)
    tally.note("a table has a bold that the truth does not support", not right)
    tally.note("a table has a bold", bool(bold))
    one = comparing.compared(groups, metrics[0], true.sign < 0)
    wrong = any(pair.supported and not true.is_better(float(pair.first), float(pair.second)) for pair in one.pairs)
    tally.note("a comparison supports a difference that is none", wrong)
    for mean in one.means:
        if (hit := covers(mean, true.means[float(mean.group)])) is not None:
            tally.note("intervals of a comparison's means cover", hit)
            tally.note(f"intervals of means cover, {true.metric}", hit)
            tally.note(f"intervals of means cover, {mean.count} seeds", hit)
    for pair in one.pairs:
        distance = true.sign * (true.means[float(pair.first)] - true.means[float(pair.second)])
        if pair.low is not None and pair.comparisons == 1:
            tally.note("intervals of a difference cover", pair.low <= distance <= pair.high)


def simulated(studies: int, seed: int = 0) -> Tally:
    """Draw so many studies, and count."""
    tally = Tally()
    for number in range(studies):
        rng = np.random.default_rng([seed, number])
        true, summary = study(rng)
        judge(true, summary, tally)
        tabled(true, rng, tally)
    return tally


COVERING = ("intervals of what was run again cover", "the interval of the best covers")
COVERING += ("intervals of a comparison's means cover", "intervals of a difference cover")
WRONG = ("a best without doubt is named, and is not", "a difference on fresh seeds is supported, and is not")
WRONG += ("a difference in the plane is supported, and is not", "a table has a bold that the truth does not support")
WRONG += ("a comparison supports a difference that is none",)
