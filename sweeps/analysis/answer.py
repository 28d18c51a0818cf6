"""What a study came to, from trials that have ended: one `Summary`, which all that is shown of a study is said from."""

import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rnnkit import evaluation
from sweeps.analysis import ended, inference, plane, words
from sweeps.analysis.ended import Ended
from sweeps.analysis.facts import Against, Best, Confirmation, Counts, Importance, Mean, Paired, Question, Summary


@dataclass(frozen=True)
class Asked(Question):
    """What a study was to find out: its `plane` are points, `confirm` how many are run again, on how many seeds."""

    plane: list[dict[str, Any]] = field(default_factory=list)
    confirm: tuple[int, int] = (0, 0)

    def score(self, value: float) -> float:
        """A value as a number of which more is better."""
        return -value if self.lower_is_better else value

    @property
    def sign(self) -> int:
        """-1 where lower is better."""
        return -1 if self.lower_is_better else 1


def summarised(
    asked: Asked, searched: Sequence[Ended], fresh: Sequence[Ended], importance: Importance | None = None
) -> Summary:
    """The study in numbers and sentences, from its trials and from the runs on fresh seeds that have ended.

    What it takes more than these for is left out: borders, what depends on timing, damaged results, the best's command.
    """
    configurations = ended.configurations(searched, asked.score)
    count, seeds = asked.confirm
    chosen = [group[0].trial for group in configurations[:count]]
    runs = ended.again(fresh, chosen, seeds)
    ranked = ended.in_order(runs, asked.score)
    confirmations = [confirmed(asked, searched, number, trials) for number, trials in ranked]
    rows = [trial.row() for trial in searched]
    cells = plane.grid_cells(asked.plane, rows)
    between_seeds = inference.spread([cell.values for cell in cells] + [[*c.values.values()] for c in confirmations])
    supported, not_supported = plane.told_apart(cells, between_seeds, asked.score)
    others = against_others(asked, ranked)
    told, untold = words.others_in_words(others)
    everything = [*searched, *fresh]
    importance = importance or Importance()
    summary = Summary(
        **{one.name: getattr(asked, one.name) for one in dataclasses.fields(Question)},
        trials=counted(searched, fresh),
        minutes=minutes(everything),
        cost_minutes=sum(trial.seconds or 0.0 for trial in everything) / 60,
        plane=cells,
        best=best(asked, configurations, ranked),
        confirmations=confirmations,
        runner_up=others[0] if others else None,
        others=others,
        importances=importance.shares,
        importance=importance,
        supported=told + supported,
        not_supported=untold + not_supported,
        rows=rows,
    )
    lost = [*ended.lost(fresh, chosen, seeds), *ended.lost_beside(searched, configurations[:1])]
    few = [*map(words.lost_in_words, lost), *words.too_few(summary)]
    return dataclasses.replace(summary, not_supported=[*summary.not_supported, *few])


def counted(searched: Sequence[Ended], fresh: Sequence[Ended]) -> Counts:
    """How many trials there are of each end."""
    states = [trial.state for trial in searched]
    return Counts(len(states), states.count("complete"), states.count("pruned"), states.count("fail"), len(fresh))


def minutes(trials: Sequence[Ended]) -> float:
    """From the first start to the last end; 0 where clocks went back, and where neither is known."""
    starts = [trial.start for trial in trials if trial.start]
    ends = [trial.end for trial in trials if trial.end]
    return max((max(ends) - min(starts)).total_seconds(), 0.0) / 60 if starts and ends else 0.0


def mean_of(metric: str, values: Sequence[float]) -> Mean:
    """The mean of a metric's values on several seeds."""
    return inference.mean_of(values, evaluation.metric(metric).limits)


def scores_of(trials: Sequence[Ended]) -> dict[str, Mean]:
    """The mean of each score on the test part that all of these runs have."""
    names = [name for name in trials[0].test if all(name in trial.test for trial in trials)]
    return {name: mean_of(name, [trial.test[name] for trial in trials]) for name in names}


def confirmed(asked: Asked, searched: Sequence[Ended], number: int, trials: list[Ended]) -> Confirmation:
    """A configuration that was run again on fresh seeds."""
    original = next(trial for trial in searched if trial.trial == number)
    values = ended.by_seed(trials)
    return Confirmation(
        trial=number,
        settings=original.settings,
        parameters=trials[0].parameters,
        found=original.value or 0.0,
        values={str(seed): value for seed, value in sorted(values.items())},
        **dataclasses.asdict(mean_of(asked.metric, list(values.values()))),
        test=scores_of(trials),
        runs=[trial.run for trial in trials if trial.run],
    )


def against_others(asked: Asked, ranked: Sequence[tuple[int, list[Ended]]]) -> list[Paired]:
    """The best of what was run again beside each of the others, on the same fresh seeds.

    Corrected for all pairs among them, since which is the best shows only in these runs.
    """
    pairs = len(ranked) * (len(ranked) - 1) // 2
    tests = []
    for number, trials in ranked[1:]:
        ours, theirs = ended.by_seed(ranked[0][1]), ended.by_seed(trials)
        found = inference.difference(ours, theirs, asked.sign, pairs)
        tests.append(Paired(**dataclasses.asdict(found), trial=ranked[0][0], other=number))
    return tests


def best(asked: Asked, configurations: list[list[Ended]], ranked: list[tuple[int, list[Ended]]]) -> Best | None:
    """The best configuration: by its runs on fresh seeds where there are any, else by the mean over its trials."""
    if not configurations:
        return None
    first = configurations[0]
    if ranked:
        first = next(group for group in configurations if group[0].trial == ranked[0][0])
    runs = ranked[0][1] if ranked else first
    original, scores = first[0], scores_of(runs)
    over = mean_of(asked.metric, [trial.value for trial in runs if trial.value is not None])
    return Best(
        trial=original.trial,
        value=over.mean,
        found=original.value or 0.0,
        settings=original.settings,
        run=original.run or "",
        parameters=original.parameters,
        test={name: score.mean for name, score in scores.items()},
        comparison=original.comparison,
        references=original.references,
        fresh=bool(ranked),
        trials=[original.trial] if ranked else [trial.trial for trial in first],
        runs=[trial.run for trial in runs if trial.run],
        over=over,
        scores=scores,
        against=against(runs),
    )


def against(runs: Sequence[Ended]) -> Against | None:
    """The baseline beside the mean of several runs; None where not all of them were compared with the same."""
    compared = [trial.comparison for trial in runs if trial.comparison]
    beside = {(one.baseline, one.measure, one.examples, one.theirs) for one in compared}
    if len(compared) < len(runs) or len(beside) > 1:
        return None
    first, names = compared[0], [trial.run or "" for trial in runs]
    ours = statistics.fmean(one.ours for one in compared)
    low, high = (first.low, first.high) if len(compared) == 1 else (None, None)
    if found := evaluation.over_runs(compared):
        low, high = found[1:]
    mean = statistics.fmean(one.difference for one in compared)
    return Against(first.baseline, ours, first.theirs, mean, low, high, first.examples, names, first.measure)
