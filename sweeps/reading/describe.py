"""What pages, the terminal and reports say of runs, in words."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rnnkit.core import UserError, files, wording
from rnnkit.runs import Flag, Result, printing
from sweeps.analysis import Best
from sweeps.reading.run_index import STATES, Card, RunIndex, best_of


MOST_SAMPLES = 1 << 24  # bytes of all samples
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
    answer: str
    pictures: list[tuple[str, str]]
    samples: list[dict]
    dynamics: dict[str, dict]
    damaged: int


def study_line(index: RunIndex, name: str, runs: Iterable[Card]) -> StudyLine:
    """A study in a line, from the cards of its trials' runs."""
    own = [card for card in runs if card.study == name and card.confirms is None]
    counts = Counter(card.state for card in own)
    metric, lower_is_better = index.judged_by(name)
    present = {state: counts[state] for state in STATES if counts[state]}
    experiment, shown = (own[0].experiment, own[0].metric) if own else ("", "")
    started = min((card.started for card in own if card.started), default=None)
    return StudyLine(name, experiment, present, metric or shown, best_of(own, lower_is_better), started)


def details(index: RunIndex, name: str) -> Details:
    """All that there is to say of a run. Raises `index.NotThere`."""
    card = index.run(name)
    manifest, result = index.manifest(name), index.result(name)
    columns = index.columns(name)
    metrics = {k: v for k, v in (result.metrics if result else {}).items() if k.startswith("metric/")}
    metrics = metrics or {k: values[-1] for k, (_, values) in columns.series.items() if k.startswith("metric/")}
    media = index.media(name)
    pictures = [name for name in media if name.endswith((".png", ".svg"))]
    return Details(
        card,
        flags=flags(card.flags),
        scores=[(wording.in_brackets(k), v) for k, v in metrics.items()],
        beside=beside(result),
        settings={k: _exact(v) for k, v in card.config.items()},
        manifest=_flat({k: v for k, v in manifest.items() if k not in ("config", "command")}),
        command=str(manifest.get("command", "")),
        answer=index.answer(name),
        pictures=[(name, wording.part(Path(name).stem).capitalize()) for name in pictures],
        samples=list(_samples(media)),
        dynamics=_dynamics(index, media),
        damaged=columns.damaged,
    )


def flags(raised: Iterable[Flag]) -> list[str]:
    """Flags in words; those that differ only in where they stand and in their value are one."""
    alike: dict[tuple, list[Flag]] = {}
    for flag in raised:
        alike.setdefault((flag.name, flag.threshold, flag.advice), []).append(flag)
    lines = []
    for (name, threshold, advice), several in alike.items():
        places = ", ".join(f"{flag.where} {flag.value:.3g}" for flag in several)
        lines.append(f"{name}: {places}; threshold {threshold:g}. {advice}" if several[1:] else str(several[0]))
    return lines


def beside(ending: Result | Best | None) -> list[str]:
    """What others reach on the same test part, in words."""
    return printing.beside(ending.references, ending.comparison) if ending else []


def _flat(values: dict, before: str = "") -> dict[str, str]:
    flat = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{before}{name} ")
        elif value is not None:
            flat[f"{before}{name}"] = _short(value)
    return flat


def _exact(value: object) -> str:
    """A value of JSON as it is read most easily: text as it is, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _short(value: object) -> str:
    if isinstance(value, list) and value and all(isinstance(part, float) for part in value):
        return ", ".join(f"{part:.4g}" for part in value)
    return f"{value:.4g}" if isinstance(value, float) else _exact(value)


def _samples(media: dict[str, Path]) -> Iterable[dict]:
    """What the net wrote (`experiments.sample`): where from, and the text."""
    path = media.get("samples.jsonl")
    path = path if path and path.stat().st_size <= MOST_SAMPLES else None
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path else []
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            sample = files.parsed(line)
            from_ = f"prompt {sample['prompt']!r}, temperature {sample['temperature']}, seed {sample['seed']}"
            yield {"from": from_, "text": str(sample["text"])[:MOST_TEXT]}


def _dynamics(index: RunIndex, media: dict[str, Path]) -> dict[str, dict]:
    """What `experiments.dynamics` found of each layer and direction, in words."""
    dynamics = {}
    with contextlib.suppress(UserError, KeyError):
        dynamics = index.read_json(media["dynamics.json"])
    return {where: _flat(of) for where, of in dynamics.items() if isinstance(of, dict)}


def scores(index: RunIndex, cards: list[Card]) -> dict[str, list[float | None]]:
    """The final metrics of several runs, by name, in the order of the runs."""
    by_run = [dict(details(index, card.name).scores) for card in cards]
    names = dict.fromkeys(name for scores in by_run for name in scores)
    return {name: [scores.get(name) for scores in by_run] for name in names}
