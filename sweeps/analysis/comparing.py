"""Groups of runs beside each other: each one's mean over seeds, and which of them clearly differ."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rnnkit import evaluation
from rnnkit.core import wording
from sweeps.analysis import inference
from sweeps.analysis.facts import Difference, Mean


MOST_TOLD = 6  # pairs in a list of sentences


@dataclass(frozen=True)
class Group:
    """Runs of the same settings on several seeds; `scores` are by metric, then by seed.

    `chosen` says in words how they were chosen, where there were others; `left_out` counts, by how they ended, runs of
    these settings that have no score. `commands` give its `runs` again, one a line.
    """

    name: str
    experiment: str
    runs: list[str]
    scores: dict[str, dict[int, float]]
    settings: dict[str, Any] = field(default_factory=dict)
    parameters: int | None = None
    commands: list[str] = field(default_factory=list)
    chosen: str = ""
    left_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Scored(Mean):
    """The mean of a metric over a group's runs."""

    group: str


@dataclass(frozen=True)
class Pair(Difference):
    """How much better the group `first` is than `second`; their `difference` is never below 0."""

    first: str = ""
    second: str = ""


@dataclass(frozen=True)
class Compared:
    """Groups by one metric, best first: their means, and all pairs of those that have 3 seeds and more.

    `best` is the first group where it is better than each of the others beyond doubt, else None.
    """

    metric: str
    unit: str
    lower_is_better: bool
    means: list[Scored]
    pairs: list[Pair]
    best: str | None


def compared(groups: Sequence[Group], metric: str, lower_is_better: bool, tables: int = 1) -> Compared:
    """Compare all pairs of groups by a metric that each has, in pairs over the seeds that two have in common.

    Intervals and p are Bonferroni's for all these pairs at once, in as many `tables` as are shown together.
    """
    sign = -1 if lower_is_better else 1
    means = [scored(group, metric) for group in groups]
    order = sorted(zip(groups, means, strict=True), key=lambda one: _rank(sign * one[1].mean))
    tested = [group for group, mean in order if mean.count >= inference.LEAST_SEEDS]
    many = max(len(tested) * (len(tested) - 1) // 2 * tables, 1)
    pairs = [_pair(*two, metric, sign, many) for two in itertools.combinations(tested, 2)]
    best = order[0][0].name
    beaten = {pair.second for pair in pairs if pair.first == best and pair.supported}
    clear = len(groups) > 1 and beaten == {group.name for group in groups} - {best}
    unit = evaluation.metric(metric).unit
    return Compared(metric, unit, lower_is_better, [mean for _, mean in order], pairs, best if clear else None)


def _pair(one: Group, other: Group, metric: str, sign: int, comparisons: int) -> Pair:
    found = inference.difference(one.scores[metric], other.scores[metric], sign, comparisons)
    if found.difference < 0:  # on the seeds that both have, unlike on all
        one, other = other, one
        found = inference.difference(one.scores[metric], other.scores[metric], sign, comparisons)
    return Pair(**vars(found), first=one.name, second=other.name)


def scored(group: Group, metric: str) -> Scored:
    """The mean of a metric over a group's runs, with its interval over seeds."""
    found = inference.mean_of(list(group.scores[metric].values()), evaluation.metric(metric).limits)
    return Scored(**vars(found), group=group.name)


def _rank(score: float) -> tuple[bool, float]:
    """The best first, and what is not a number last."""
    return math.isnan(score), -score


def shared(groups: Sequence[Group]) -> list[str]:
    """The metrics that all groups have, in the order of the first."""
    return [name for name in groups[0].scores if all(name in group.scores for group in groups)] if groups else []


def in_words(found: Compared, groups: Sequence[Group]) -> list[str]:
    """What the comparison supports and what not, line by line."""
    what, first = wording.metric(found.metric), found.means[0].group
    lines = [f"No group is clearly the best; {first} has the best mean."]
    if found.best:
        lines = [f"Best: {found.best}, with a better {what} than each of the others."]
    if found.pairs:
        unit = f" ({found.unit})" if found.unit else ""
        many = found.pairs[0].comparisons
        corrected = f", corrected for {many} comparisons" if many > 1 else ""
        lines.append(f"Differences in {what}{unit}, with 95 % intervals over seeds{corrected}:")
    for supported in (True, False):
        pairs = [pair for pair in found.pairs if pair.supported == supported]
        pairs.sort(key=lambda pair: first not in (pair.first, pair.second))
        lines += [f"  {_pair_in_words(pair)}" for pair in pairs[:MOST_TOLD]]
        if pairs[MOST_TOLD:]:
            kind = "with a clear difference" if supported else "without one"
            lines.append(f"  {wording.count(len(pairs) - MOST_TOLD, 'pair')} more {kind}: --json has them all")
    few = [mean for mean in found.means if mean.count < inference.LEAST_SEEDS]
    for mean in few[:MOST_TOLD]:
        lines.append(f"{mean.group} has {wording.count(mean.count, 'seed')}: too few to compare it, 3 or more do.")
    if few[MOST_TOLD:]:
        lines.append(f"{wording.count(len(few) - MOST_TOLD, 'group')} more with too few seeds to compare.")
    return lines + [line for group in groups for line in left_out_in_words(group)]


def left_out_in_words(group: Group) -> list[str]:
    """Which runs of a group's settings are not in its means: a mean over those that went well flatters it."""
    if not group.left_out:
        return []
    ends = ", ".join(f"{count} {state}" for state, count in group.left_out.items())
    return [f"{group.name}: {ends}; its mean is of the {wording.count(len(group.runs), 'run')} that finished."]


def _pair_in_words(pair: Pair) -> str:
    how = f"in pairs over {pair.seeds} seeds" if pair.seeds else "over different seeds"
    if pair.supported:
        return f"{pair.first} is better than {pair.second}: {pair.in_words}, {how}"
    more = (
        f"; if they differ by as much, {wording.count(pair.more, 'more seed')} for each would show it"
        if pair.more
        else ""
    )
    return f"no clear difference between {pair.first} and {pair.second}: {pair.in_words}, {how}{more}"
