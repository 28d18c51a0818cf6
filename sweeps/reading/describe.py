"""What pages, the terminal and reports say of runs and studies, in words."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rnnkit.core.errors import UserError
from rnnkit.core.wording import capital, in_brackets, in_words, interval, part_in_words, settings_in_words
from rnnkit.runs import printing
from rnnkit.runs.flags import Flag
from sweeps.reading.run_index import STATES, Card, RunIndex
from sweeps.reading.studies import Study, Trial


MOST_TEXT = 20_000  # characters of a sample that are shown


@dataclass(frozen=True)
class StudyLine:
    """A study in a line: how many runs of each state it has, and the best value of a finished one."""

    name: str
    experiment: str
    counts: dict[str, int]
    metric: str
    best: Card | None
    started: datetime | None


@dataclass(frozen=True)
class Details:
    """All that there is to say of one run beside its charts."""

    card: Card
    flags: list[str]
    scores: list[tuple[str, float]]
    beside: list[str]
    settings: dict[str, str]
    manifest: dict[str, str]
    command: str
    pictures: list[tuple[str, str]]
    samples: list[dict]
    dynamics: dict[str, dict]
    damaged: int


def study_line(index: RunIndex, name: str, runs: Iterable[Card]) -> StudyLine:
    """A study in a line, from the cards of its trials' runs."""
    own = [card for card in runs if card.study == name and card.confirms is None]
    found = Counter(card.state for card in own)
    metric, lower_is_better = index.judged_by(name)
    sign = -1 if lower_is_better else 1
    finished = [card for card in own if card.state == "finished" and card.value is not None]
    return StudyLine(
        name,
        own[0].experiment if own else "",
        counts={state: found[state] for state in STATES if found[state]},
        metric=metric or (own[0].metric if own else ""),
        best=max(finished, key=lambda card: sign * card.value, default=None),
        started=min((card.started for card in own if card.started), default=None),
    )


def details(index: RunIndex, name: str) -> Details:
    """All that there is to say of a run. Raises `index.NotThere`."""
    card = index.run(name)
    manifest, result = index.manifest(name), index.result(name)
    columns = index.columns(name)
    metrics = {k: v for k, v in (result.get("metrics") or {}).items() if k.startswith("metric/")}
    if not metrics:
        metrics = {k: columns.last(k) for k in columns.series if k.startswith("metric/")}
    media = index.media(name)
    pictures = [name for name in media if name.endswith((".png", ".svg"))]
    return Details(
        card,
        flags=flags(card.flags),
        scores=[(in_brackets(k), float(v)) for k, v in metrics.items() if isinstance(v, (int, float))],
        beside=_beside(result),
        settings={k: _exact(v) for k, v in card.config.items()},
        manifest=_flat({k: v for k, v in manifest.items() if k not in ("config", "command")}),
        command=str(manifest.get("command", "")),
        pictures=[(name, part_in_words(Path(name).stem).capitalize()) for name in pictures],
        samples=list(_samples(index, media)),
        dynamics=_dynamics(index, media),
        damaged=columns.damaged,
    )


def flags(found: Iterable[dict]) -> list[str]:
    """Flags in words; those that differ only in where they stand and in their value are one."""
    alike: dict[tuple, list[Flag]] = {}
    strange = []
    for values in found:
        try:
            flag = Flag(**values)
            alike.setdefault((flag.name, float(flag.threshold), flag.advice), []).append(flag)
            float(flag.value)
        except (TypeError, ValueError):
            strange.append(_exact(values))
    return [_together(several) for several in alike.values()] + strange


def _together(several: list[Flag]) -> str:
    if len(several) == 1:
        return str(several[0])
    first = several[0]
    places = ", ".join(f"{flag.where} {float(flag.value):.3g}" for flag in several)
    return f"{first.name}: {places}; threshold {float(first.threshold):g}. {first.advice}"


def _beside(result: dict) -> list[str]:
    """What others reach on the same test part, in words."""
    said = []
    for reference in result.get("references") or []:
        with contextlib.suppress(KeyError, TypeError, ValueError):
            said.append(printing.reference_in_words(reference))
    with contextlib.suppress(KeyError, TypeError, ValueError):
        if result.get("comparison"):
            said.append(printing.comparison_in_words(result["comparison"]))
    return said


def _flat(values: dict, before: str = "") -> dict[str, str]:
    found = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{before}{name} ")
        elif value is not None:
            found[f"{before}{name}"] = _short(value)
    return found


def _exact(value: object) -> str:
    """A value of JSON as it is read most easily: text as it is, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _short(value) -> str:
    if isinstance(value, list) and value and all(isinstance(part, float) for part in value):
        return ", ".join(f"{part:.4g}" for part in value)
    return f"{value:.4g}" if isinstance(value, float) else _exact(value)


def _samples(index: RunIndex, media: dict[str, Path]) -> Iterable[dict]:
    """What the net wrote (`experiments.sample`): where from, and the text."""
    path = media.get("samples.jsonl")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path else []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            sample = json.loads(line)
            from_ = f"prompt {sample['prompt']!r}, temperature {sample['temperature']}, seed {sample['seed']}"
            yield {"from": from_, "text": str(sample["text"])[:MOST_TEXT]}


def _dynamics(index: RunIndex, media: dict[str, Path]) -> dict[str, dict]:
    """What `experiments.dynamics` found of each layer and direction, in words."""
    if "dynamics.json" not in media:
        return {}
    with contextlib.suppress(UserError):
        found = index.read_json(media["dynamics.json"])
        return {where: _flat(of, "") for where, of in found.items() if isinstance(of, dict)}
    return {}


def scores(index: RunIndex, cards: list[Card]) -> dict[str, list[float | None]]:
    """The final metrics of several runs, by name, in the order of the runs."""
    each = [dict(details(index, card.name).scores) for card in cards]
    return {name: [one.get(name) for one in each] for name in dict.fromkeys(name for one in each for name in one)}


def answer(study: Study, result: dict | None = None) -> list[str]:
    """What a study came to, a sentence a line: the best, how sure that is, its test score, and what others reach.

    What the sweep wrote in the end is said where it is there and of this state of the study: the best again on fresh
    seeds. Where it is not, what others reach comes from `result`, that of the best trial's run.
    """
    best, told = study.best, study.summary.get("best")
    if best is None:
        return ["No trial has finished yet."]
    again = _agreed(study)
    if again:
        lines = [_again_in_words(study, again)]
    else:
        lines = [f"Best: trial {best.number}, {study.metric} {best.value:.4f} ({settings_in_words(best.settings)})."]
        told = told if isinstance(told, dict) and told.get("trial") == best.number else {}
    tested = told.get("test")
    if isinstance(tested, dict):
        lines += [f"{capital(in_words(k))} {v:.4f}." for k, v in tested.items() if isinstance(v, (int, float))]
    elif best.run and best.run.test is not None:
        lines.append(f"{capital(in_words(best.run.metric.removesuffix('/valid') + '/test'))} {best.run.test:.4f}.")
    return lines + [f"{capital(line)}." for line in _beside(told or result or {})]


def chosen(study: Study) -> Trial | None:
    """The trial whose settings the answer names: the best again on fresh seeds, or while there is none the best."""
    row = _agreed(study)
    named = [trial for trial in study.trials if row and trial.number == row["trial"]]
    return named[0] if named else study.best


def _agreed(study: Study) -> dict | None:
    """The best on fresh seeds, if the study's summary chose it too."""
    told, rows = study.summary.get("best"), confirmed(study)
    return rows[0] if rows and isinstance(told, dict) and told.get("trial") == rows[0]["trial"] else None


def confirmed(study: Study) -> list[dict]:
    """What was run again on fresh seeds, best first, as summary.json tells it; [] where nothing was."""
    found = study.summary.get("confirmed")
    wanted = {"trial": int, "mean": (int, float), "found": (int, float), "count": int, "settings": dict}
    rows = found if isinstance(found, list) else []
    return [
        row for row in rows if isinstance(row, dict) and all(isinstance(row.get(k), kind) for k, kind in wanted.items())
    ]


def again(index: RunIndex, study: str) -> list[Card]:
    """The runs that repeat a study's best settings on fresh seeds, by trial and seed."""
    found = [card for card in index.runs() if card.study == study and isinstance(card.confirms, int)]
    return sorted(found, key=lambda card: (card.confirms, card.seed if isinstance(card.seed, int) else 0))


def confirmation_interval(row: dict) -> str:
    """The interval of a mean; nothing where it has none."""
    low, high = (row[key] if isinstance(row.get(key), (int, float)) else None for key in ("low", "high"))
    return interval(low, high)


def _again_in_words(study: Study, row: dict) -> str:
    reach = confirmation_interval(row)
    sure = f", 95 % interval {reach}" if reach else ""
    return (
        f"Best: trial {row['trial']}'s settings, {study.metric} {row['mean']:.4f} as the mean over {row['count']} "
        f"fresh seeds{sure}; found with {row['found']:.4f} ({settings_in_words(row['settings'])})."
    )


def findings(study: Study) -> dict[str, list[str]]:
    """What the sweep said in the end, in sentences under headings: what the data support, and what they do not."""
    headings = {
        "supported": "What the data support",
        "not_supported": "What they do not support",
        "borders": "On the border of what was looked at",
        "timing": "With the same seed",
    }
    found = {}
    for key, heading in headings.items():
        said = study.summary.get(key)
        said = [said] if isinstance(said, str) else said if isinstance(said, list) else []
        if sentences := [one for one in said if isinstance(one, str) and one]:
            found[heading] = sentences
    return found


def how_many(study: Study) -> str:
    """How many trials of each state a study has, in words."""
    counts = Counter(trial.state for trial in study.trials)
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def printable(text: str) -> str:
    """A text as a terminal shows it, and does nothing else with it: control characters are replaced."""
    return "".join(character if character.isprintable() else "?" for character in text)
