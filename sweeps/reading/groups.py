"""Groups of runs as a person names them: what a study came to, its configurations, or runs by a pattern of names."""

import dataclasses
import fnmatch
import math
import re
import shlex
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import experiments
from rnnkit import evaluation
from rnnkit.core import UserError, wording
from sweeps.analysis import Summary, comparing
from sweeps.reading import describe, studies
from sweeps.reading.run_index import Card, RunIndex


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


def groups(index: RunIndex, words: Sequence[str], by: Sequence[str] = ()) -> list[comparing.Group]:
    """The groups that words name: a study, a run, or a pattern of runs' names (`digits-s*`).

    Behind a colon stand settings that its runs are to have (`digits-s0:cell=lstm`). Of several studies each is a group:
    the runs that its answer is of. Of one alone each configuration is one that was run again on fresh seeds, or where
    none was, each that finished. Runs by a pattern are grouped by their settings. With `by`, all are grouped by these
    settings alone, and a group is what its best configuration on the validation part came to. Raises `UserError` for a
    word that names nothing that has finished.
    """
    found = [_configurations(index, word) for word in words]
    if by:
        picked = [one for several in found for one in _best_by(several, by, len(words) > 1)]
    else:
        single = len(words) == 1
        picked = [one for several in found for one in _each(index, several, single)]
    return _named([(name, _group(index, configuration, chosen)) for name, configuration, chosen in picked])


def names(text: str) -> list[str]:
    """The settings in a text like `cell,hidden-size`."""
    return [name.strip().replace("-", "_") for name in text.split(",") if name.strip()]


def metric_of(name: str) -> str:
    """The whole name of a score: `macro_f1` -> `metric/macro_f1/test`."""
    return name if name.startswith("metric/") else f"metric/{name}/test"


def lower_is_better(index: RunIndex, metric: str, run: str) -> bool:
    """Whether lower values of a metric are better: as the run's study or its experiment has it, or as it is known."""
    name, card = wording.without_split(metric), index.run(run)
    judged, lower = index.judged_by(card.study)
    if judged and wording.without_split(judged) == name:
        return lower
    try:
        objective = experiments.load(card.experiment).OBJECTIVE
    except (UserError, ImportError, AttributeError):  # of a version that is not here
        objective = None
    if objective and wording.without_split(objective.metric) == name:
        return objective.lower_is_better
    return evaluation.metric(metric).direction == evaluation.Direction.MINIMIZE


def warnings(index: RunIndex, found: Sequence[comparing.Group]) -> list[str]:
    """What makes groups differ beside their settings: other data, another experiment."""
    kinds = {group.experiment for group in found}
    lines = [f"These are of different experiments: {', '.join(sorted(kinds))}."] if len(kinds) > 1 else []
    data = {tuple(sorted(index.manifest(run).get("data", {}).items())) for group in found for run in group.runs}
    if len(data) > 1 and len(kinds) == 1:
        lines.append("They were not all trained on the same data: a difference can be of the data.")
    return lines


def _configurations(index: RunIndex, word: str) -> list[Configuration]:
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
    """Runs as configurations, those of the same experiment and settings together."""
    by_settings: dict[tuple[str, str], list[Card]] = {}
    for card in cards:
        by_settings.setdefault((card.experiment, describe.settings_of(card)), []).append(card)
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
    lower = lower_is_better(index, first.metric, first.name)
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
        if not here or (key := describe.settings_of(here[0])) in seen:
            continue
        seen.add(key)
        lacks = [c for c in cards.values() if (c.confirms is not None) == fresh and describe.settings_of(c) == key]
        left_out = tuple(card for card in lacks if card.state != "finished")
        found.append(Configuration(word, here, fresh, left_out))
    return found


def _runs_of(summary: Summary) -> Iterable[tuple[list[str], bool]]:
    """The runs behind each configuration of a study, and whether they are on fresh seeds."""
    for again in summary.confirmations:
        yield again.runs, True
    sign = 1 if summary.lower_is_better else -1
    by_settings: dict[tuple, list] = {}
    for row in summary.rows:
        if row.state == "complete" and row.value is not None and row.run:
            by_settings.setdefault(tuple(sorted(row.settings.items())), []).append(row)
    mean = lambda rows: sign * sum(row.value for row in rows) / len(rows)
    for rows in sorted(by_settings.values(), key=lambda rows: (mean(rows), rows[0].trial)):
        yield [row.run for row in rows], False


Picked = tuple[str, Configuration, str]  # what it is called, and how it was chosen


def _each(index: RunIndex, found: list[Configuration], single: bool) -> list[Picked]:
    """Each configuration as a group; of a study beside others, what it came to."""
    is_study = found[0].word.partition(":")[0] in index.studies()
    if is_study and not single:
        return [(found[0].word, found[0], _how(found))]
    again = [one for one in found if one.fresh] if is_study else []
    shown = again or found
    differ = _differing(shown)
    before = "" if single or not differ else f"{found[0].word}, "
    labels = [before + wording.settings({key: one.config.get(key) for key in differ}) for one in shown]
    return [(label or one.word, one, "") for label, one in zip(labels, shown, strict=True)]


def _best_by(found: list[Configuration], by: Sequence[str], several: bool) -> list[Picked]:
    """For each value of the settings `by`, the best configuration on the validation part."""
    by_value: dict[tuple, list[Configuration]] = {}
    for one in found:
        for key in by:
            if key not in one.config:
                raise UserError(f"{one.word}: {one.cards[0].name} has no setting {key} to group by")
        by_value.setdefault(tuple(str(one.config[key]) for key in by), []).append(one)
    picked = []
    for alike in by_value.values():
        label = wording.settings({key: alike[0].config[key] for key in by})
        picked.append((f"{alike[0].word}, {label}" if several else label, alike[0], _how(alike)))
    return picked


def _how(alike: list[Configuration]) -> str:
    """How the first of these was chosen, in words; nothing where it is alone."""
    again = sum(one.fresh for one in alike)
    if len(alike) == 1:
        return ""
    if alike[0].fresh and again == 1:
        return f"the best of {len(alike)} configurations on the validation part, run again on fresh seeds"
    if again:
        return f"the best on the validation part of {again} configurations that were run again on fresh seeds"
    return f"the best of {len(alike)} configurations on the validation part"


def _differing(found: Sequence[Configuration]) -> list[str]:
    """The settings in which configurations differ, the seed left aside."""
    names = dict.fromkeys(name for one in found for name in one.config if name != "seed")
    return [name for name in names if len({str(one.config.get(name)) for one in found}) > 1]


def _group(index: RunIndex, configuration: Configuration, chosen: str) -> comparing.Group:
    """A configuration's runs as a group, with all the scores that each of them has."""
    scores: dict[str, dict[int, float]] = {}
    for card in configuration.cards:
        result = index.result(card.name)
        for name, value in (result.metrics if result else {}).items():
            if name.startswith("metric/"):
                scores.setdefault(name, {})[card.seed or 0] = value
    whole = {name: values for name, values in scores.items() if len(values) == len(configuration.cards)}
    first = configuration.cards[0]
    return comparing.Group(
        name=configuration.word,
        experiment=first.experiment,
        runs=[card.name for card in configuration.cards],
        scores=whole,
        settings={name: value for name, value in first.config.items() if name != "seed"},
        parameters=first.parameters,
        commands=_commands(index, configuration.cards),
        chosen=chosen,
        left_out=dict(Counter(card.state for card in configuration.left_out)),
    )


def _commands(index: RunIndex, cards: Sequence[Card]) -> list[str]:
    """What trains these runs again: one command, in a loop over their seeds where there are several."""
    words = shlex.split(str(index.manifest(cards[0].name).get("command", "")))
    if not words:
        return []
    if len(cards) == 1:
        return [shlex.join(words)]
    if "--seed" in words:
        place = words.index("--seed")
        words = words[:place] + words[place + 2 :]
    seeds = " ".join(str(card.seed or 0) for card in cards)
    return [f"for seed in {seeds}; do {shlex.join(words)} --seed $seed; done"]


def _named(picked: Sequence[tuple[str, comparing.Group]]) -> list[comparing.Group]:
    """With names that tell them apart, whatever they are of."""
    counts = Counter(name for name, _ in picked)
    seen: Counter[str] = Counter()
    named = []
    for name, group in picked:
        seen[name] += 1
        named.append(dataclasses.replace(group, name=f"{name} ({seen[name]})" if counts[name] > 1 else name))
    return named
