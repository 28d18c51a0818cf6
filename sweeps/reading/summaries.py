"""What a study came to, as its summary.json says it, or while that is not written, or is older, as its trials do."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sweeps.analysis import Summary, answer, ended
from sweeps.reading import journals
from sweeps.reading.described import Described
from sweeps.reading.run_index import Card, RunIndex


STATES = {"finished": "complete", "pruned": "pruned", "failed": "fail", "diverged": "fail"}
FIRST_FRESH = 9_000  # a run's seed modulo 10,000 from which on it is a fresh one (`study.folders`)


@dataclass(frozen=True)
class Sources:
    """Where it can be read: the journal, cards of the study's runs, summary.json (None without), the plain settings."""

    journal: Path
    stored: journals.Stored
    cards: Sequence[Card]
    settings: dict[int, dict]
    written: Summary | None


def of_study(index: RunIndex, name: str, described: Described, sources: Sources) -> Summary:
    """The study in numbers and sentences.

    What is written is taken where it is of the trials that have ended by now. A summary of an earlier version said less
    well what its numbers are of: then it is made anew from the trials, as far as these are here.
    """
    written, stored = sources.written, sources.stored
    searched, fresh = _from_journal(sources) if stored.trials else _from_cards(sources)
    if written and written.revision > 1:
        counts = written.trials.ended, written.trials.again
        if counts == (len(searched), len(fresh)) or (not stored.trials and counts[0] >= len(searched)):
            return written
    confirm = stored.confirm if stored.trials else (len(searched), FIRST_FRESH)
    space = described.space
    asked = answer.Asked(
        study=name,
        experiment=described.experiment,
        metric=space.metric,
        lower_is_better=space.lower_is_better,
        seed=described.seed or 0,
        sampler=described.sampler,
        pruner=described.pruner,
        storage=described.storage,
        plane=space.plane(),
        confirm=confirm,
    )
    importance = journals.importance_of(sources.journal, name, stored) if stored.trials else None
    found = answer.summarised(asked, searched, fresh, importance)
    if written is None:
        return _with_results(index, found)
    if found.trials.finished < written.trials.finished:  # most of its records are elsewhere
        return written
    if written.trials.ended == len(searched):
        found = dataclasses.replace(found, borders=written.borders, timing=written.timing)
    return _with_results(index, found)


def _from_journal(sources: Sources) -> tuple[list[ended.Ended], list[ended.Ended]]:
    """The trials that have ended, and those on fresh seeds; what the journal does not say of one, its run does."""
    cards = {card.name: card for card in sources.cards}
    parts = [
        [ended.of_trial(trial) for trial in trials if trial.state.is_finished()]
        for trials in (sources.stored.trials, sources.stored.fresh)
    ]
    searched, fresh = ([_completed(one, cards.get(one.run or "")) for one in part] for part in parts)
    return searched, [one for one in fresh if one.state != "pruned"]


def _completed(one: ended.Ended, card: Card | None) -> ended.Ended:
    if card is None or one.test:
        return one
    known = {"seconds": card.seconds, "parameters": card.parameters}
    lacking = {name: value for name, value in known.items() if getattr(one, name) is None}
    return dataclasses.replace(one, test=_test(card), **lacking)


def _from_cards(sources: Sources) -> tuple[list[ended.Ended], list[ended.Ended]]:
    """The same from the records of the study's runs, where the trials are kept elsewhere or cannot be read."""
    searched, fresh = [], []
    for card in sources.cards:
        number = card.trial if card.confirms is None else card.confirms
        repeat = None if card.confirms is None or card.seed is None else card.seed % 10_000 - FIRST_FRESH
        if number is None or card.state not in STATES or (repeat is not None and repeat < 0):
            continue
        one = ended.Ended(
            trial=number,
            state=STATES[card.state],
            value=card.value,
            settings=sources.settings.get(number, {}),
            run=card.name,
            reason=card.reason,
            repeat=repeat,
            start=card.started,
            end=card.started + timedelta(seconds=card.seconds) if card.started and card.seconds else None,
            seconds=card.seconds,
            parameters=card.parameters,
            test=_test(card),
        )
        (searched if card.confirms is None else fresh).append(one)
    order = lambda one: (one.trial, one.repeat or 0)
    return sorted(searched, key=order), sorted(fresh, key=order)


def _test(card: Card) -> dict[str, float]:
    name = card.metric.removesuffix("/valid") + "/test"
    return {} if card.test is None else {name: card.test}


def _with_results(index: RunIndex, summary: Summary) -> Summary:
    """With what stands beside the best's runs in their results, where the trials do not say it."""
    best = summary.best
    if best is None or best.against or best.references or best.comparison or not best.runs:
        return summary
    names = [card.name for card in index.runs() if card.name in best.runs]
    results = {name: index.result(name) for name in names}
    first = next((result for result in results.values() if result), None)
    compared = [
        ended.Ended(best.trial, "complete", None, {}, name, comparison=result.comparison)
        for name, result in results.items()
        if result
    ]
    against = answer.against(compared) if len(compared) == len(best.runs) else None
    found = dataclasses.replace(best, against=against, references=first.references if first else None)
    return dataclasses.replace(summary, best=found)
