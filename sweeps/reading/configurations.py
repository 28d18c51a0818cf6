"""Configurations of runs by what names them: a study, a run, or a pattern of runs' names, and settings."""

import contextlib
import fnmatch
import math
import re
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import experiments
from rnnkit import evaluation
from rnnkit.core import UserError, wording
from rnnkit.core import config as configuration
from sweeps.analysis import Summary
from sweeps.reading import studies
from sweeps.reading.run_index import Card, RunIndex
from sweeps.study import ranking


_WILD = re.compile(r"[*?\[]")


@dataclass(frozen=True)
class Configuration:
    """The finished runs of the same settings, in a study on fresh seeds where there are any; `word` named them."""

    word: str
    cards: tuple[Card, ...]
    fresh: bool = False
    left_out: tuple[Card, ...] = ()

    @property
    def config(self) -> dict:
        """All its settings; the seed is that of its first run."""
        return self.cards[0].config


def named(index: RunIndex, word: str) -> list[Configuration]:
    """What a word names, the best on the validation part first; in a study, what was run again before the others."""
    name, _, conditions = word.partition(":")
    wanted = _wanted(word, conditions)
    if name in index.studies():
        found = _of_study(index, word, name)
    else:
        cards = [card for card in index.runs() if fnmatch.fnmatchcase(card.name, name)]
        if not cards:
            known = [*index.studies(), *(card.name for card in index.runs())]
            kind = "no run like" if _WILD.search(name) else "no study and no run"
            raise UserError(f"there is {kind} {name} (looked in {index.place}){wording.meant(name, known)}")
        found = _alike(index, word, sorted(cards, key=lambda card: (card.seed or 0, card.name)))
    unknown = [key for key in wanted if found and all(key not in one.config for one in found)]
    if unknown:
        raise UserError(f"{word}: these runs have no setting {unknown[0]}")
    chosen = [one for one in found if all(_same(one.config.get(key), text) for key, text in wanted.items())]
    if not chosen:
        raise UserError(f"{word}: no run of these has finished yet, or none with these settings")
    return chosen


def _wanted(word: str, conditions: str) -> dict[str, str]:
    """The settings behind a name's colon."""
    pairs = [part.partition("=") for part in conditions.split(",")] if conditions else []
    for key, sign, value in pairs:
        if not (key and sign and value):
            raise UserError(f"{word}: after the colon come settings, as in NAME:cell=lstm,depth=2")
    return {key.strip().replace("-", "_"): value.strip() for key, _, value in pairs}


def _same(value: object, text: str) -> bool:
    """Whether a setting has the value that a person wrote."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(text) == value
        except ValueError:
            return False
    return str(value).lower() == text.lower()


def _alike(index: RunIndex, word: str, cards: Sequence[Card]) -> list[Configuration]:
    """Runs as configurations, those of the same experiment and settings together; without those that say none."""
    by_settings: dict[tuple[str, str], list[Card]] = {}
    for card in filter(lambda card: card.config, cards):
        by_settings.setdefault((card.experiment, card.settings), []).append(card)
    found = []
    for alike in by_settings.values():
        finished = tuple(_one_a_seed(card for card in alike if card.state == "finished"))
        left_out = tuple(card for card in alike if card.state != "finished")
        if finished:
            found.append(Configuration(word, finished, left_out=left_out))
    return sorted(found, key=lambda one: _rank(index, one))


def _rank(index: RunIndex, one: Configuration) -> tuple[str, float, str]:
    """Where a configuration stands among others: the best mean on the validation part first."""
    first, values = one.cards[0], [card.value for card in one.cards if card.value is not None]
    mean = statistics.fmean(values) if values and all(map(math.isfinite, values)) else math.inf
    lower = lower_is_better(index, first.metric, first)
    return first.experiment, mean if lower or math.isinf(mean) else -mean, first.name


def _one_a_seed(cards: Iterable[Card]) -> list[Card]:
    """Runs without repeats: the same settings and seed give the same bits, and are no second run."""
    by_seed: dict[int | None, Card] = {}
    for card in cards:
        by_seed.setdefault(card.seed, card)
    return list(by_seed.values())


def _of_study(index: RunIndex, word: str, name: str) -> list[Configuration]:
    """The configurations of a study: those that were run again, best first, then the others, best first."""
    summary = studies.read(index, name).summary
    cards = {card.name: card for card in index.runs() if card.study == name}
    found, seen = [], set()
    for runs, fresh in _runs_of(summary):
        here = tuple(_one_a_seed(cards[run] for run in runs if run in cards))
        if not here or (key := here[0].settings) in seen:
            continue
        seen.add(key)
        lacks = [c for c in cards.values() if (c.confirms is not None) == fresh and c.settings == key]
        left_out = tuple(card for card in lacks if card.state != "finished")
        found.append(Configuration(word, here, fresh, left_out))
    return found


def _runs_of(summary: Summary) -> Iterable[tuple[list[str], bool]]:
    """The runs behind each configuration of a study, and whether they are on fresh seeds."""
    for again in summary.confirmations:
        yield again.runs, True
    sign = -1 if summary.lower_is_better else 1
    finished = [row for row in summary.rows if row.state == "complete" and row.run]
    score = lambda value: sign * value
    for rows in ranking.best_first(finished, lambda row: ranking.key(row.settings), lambda row: row.value, score):
        yield [row.run for row in rows if row.run], False


def lower_is_better(index: RunIndex, metric: str, card: Card) -> bool:
    """Whether lower values of a metric are better: as the run's study or its experiment has it, or as it is known."""
    name = wording.without_split(metric)
    judged, lower = index.judged_by(card.study)
    if judged and wording.without_split(judged) == name:
        return lower
    with contextlib.suppress(UserError):  # an experiment that is not here, or settings of another version
        config = configuration.restored(experiments.load(card.experiment).Config, card.config)
        objective = experiments.objective_of(config)
        if wording.without_split(objective.metric) == name:
            return objective.lower_is_better
    return evaluation.metric(metric).direction == evaluation.Direction.MINIMIZE
