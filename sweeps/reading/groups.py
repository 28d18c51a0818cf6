"""Groups of runs as a person names them: what a study came to, its configurations, or runs by a pattern of names."""

import contextlib
import dataclasses
import json
import shlex
from collections import Counter
from collections.abc import Sequence

from rnnkit.core import UserError, wording
from rnnkit.runs import Result
from sweeps.analysis import comparing
from sweeps.reading import configurations
from sweeps.reading.run_index import Card, RunIndex


def groups(index: RunIndex, words: Sequence[str], by: Sequence[str] = ()) -> list[comparing.Group]:
    """The groups that words name: a study, a run, or a pattern of runs' names (`digits-s*`).

    Behind a colon stand settings that its runs are to have (`digits-s0:cell=lstm`). Of several studies each is a group:
    the runs that its answer is of. Of one alone each configuration is one that was run again on fresh seeds, or where
    none was, each that finished. Runs by a pattern are grouped by their settings. With `by`, all are grouped by these
    settings alone, and a group is what its best configuration on the validation part came to. Raises `UserError` for a
    word that names nothing that has finished.
    """
    found = [configurations.named(index, word) for word in words]
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


def warnings(index: RunIndex, found: Sequence[comparing.Group]) -> list[str]:
    """What makes groups differ beside their settings: other data, another experiment."""
    kinds = {group.experiment for group in found}
    lines: list[str] = []
    if len(kinds) > 1:
        lines.append(
            f"These are of different experiments, {wording.listed(sorted(kinds))}: a difference is of the tasks, and "
            "says nothing of the nets."
        )
    manifests = (_file(index, run, "manifest.json") for group in found for run in group.runs)
    data = {json.dumps(manifest.get("data"), sort_keys=True) for manifest in manifests}
    if len(data) > 1 and len(kinds) == 1:
        lines.append("They were not all trained on the same data: a difference can be of the data.")
    return lines


def _file(index: RunIndex, run: str, name: str) -> dict:
    """A file of a run that is known to be there; {} where it cannot be read."""
    with contextlib.suppress(UserError):
        return index.read_json(index.root / run / name)
    return {}


Picked = tuple[str, configurations.Configuration, str]  # what it is called, and how it was chosen


def _each(index: RunIndex, found: list[configurations.Configuration], single: bool) -> list[Picked]:
    """Each configuration as a group; of a study beside others, what it came to."""
    is_study = found[0].word.partition(":")[0] in index.studies()
    if is_study and not single:
        return [(found[0].word, found[0], _how(found))]
    again = [one for one in found if one.fresh] if is_study else []
    shown = again or found
    differ = _differing(shown)
    before = "" if single or not differ else f"{found[0].word}, "
    labels = [before + wording.settings({key: one.config[key] for key in differ}) for one in shown]
    return [(label or one.word, one, "") for label, one in zip(labels, shown, strict=True)]


def _best_by(found: list[configurations.Configuration], by: Sequence[str], several: bool) -> list[Picked]:
    """For each value of the settings `by`, the best configuration on the validation part."""
    by_value: dict[tuple, list[configurations.Configuration]] = {}
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


def _how(alike: list[configurations.Configuration]) -> str:
    """How the first of these was chosen, in words; nothing where it is alone."""
    again = sum(one.fresh for one in alike)
    if len(alike) == 1:
        return ""
    if alike[0].fresh and again == 1:
        return f"the best of {len(alike)} configurations on the validation part, run again on fresh seeds"
    if again:
        return f"the best on the validation part of {again} configurations that were run again on fresh seeds"
    return f"the best of {len(alike)} configurations on the validation part of these same runs, which flatters it"


def _differing(found: Sequence[configurations.Configuration]) -> list[str]:
    """The settings in which configurations differ, of those that all have; the seed is left aside."""
    names = [name for name in found[0].config if name != "seed" and all(name in one.config for one in found)]
    return [name for name in names if len({str(one.config[name]) for one in found}) > 1]


def _group(index: RunIndex, configuration: configurations.Configuration, chosen: str) -> comparing.Group:
    """A configuration's runs as a group, with all the scores that each of them has."""
    scores: dict[str, dict[int, float]] = {}
    for card in configuration.cards:
        result = Result.told(_file(index, card.name, "result.json"), card.folder)[0]
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
    try:
        words = shlex.split(str(_file(index, cards[0].name, "manifest.json").get("command", "")))
    except ValueError:  # a quotation without an end: damaged
        words = []
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
