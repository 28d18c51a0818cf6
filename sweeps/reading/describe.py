"""What pages, the terminal and reports say of runs, in words."""

import contextlib
import dataclasses
import json
import statistics
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rnnkit.core import UserError, files, wording
from rnnkit.runs import Flag, Result, printing
from sweeps.analysis import Best, Summary
from sweeps.reading.run_index import STATES, Card, RunIndex
from sweeps.study import ranking


MOST_SAMPLES = 1 << 24  # bytes of all samples
MOST_TEXT = 20_000  # characters of a sample that are shown


@dataclass(frozen=True)
class StudyLine:
    """A study in a line: how many runs of each state it has, and the best settings among those that finished.

    `value` is the mean over the `count` runs with these settings, on `fresh` seeds where the answer is of those; `best`
    is the first trial with these settings.
    """

    name: str
    experiment: str
    counts: dict[str, int]
    metric: str
    best: Card | None
    started: datetime | None
    value: float | None = None
    count: int = 0
    fresh: bool = False

    @property
    def of(self) -> str:
        """What the value is a mean of, in words; nothing for a single run."""
        return f"mean of {self.count}{' fresh' * self.fresh}" if self.count > 1 or self.fresh else ""


@dataclass(frozen=True)
class Details:
    """All that there is to say of one run beside its charts."""

    card: Card
    flags: list[str]
    foretold: str
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
    answered = _answered(index, name, sum(counts[state] for state in ("finished", "pruned", "diverged", "failed")))
    first = next((card for card in own if answered and card.name == answered.run), None)
    if answered and first:
        found = StudyLine(name, experiment, present, metric or shown, first, started, answered.value)
        return dataclasses.replace(found, count=len(answered.runs), fresh=answered.fresh)
    best = best_of(own, lower_is_better)
    value = statistics.fmean(card.value for card in best if card.value is not None) if best else None
    first = best[0] if best else None
    return StudyLine(name, experiment, present, metric or shown, first, started, value, len(best))


def _answered(index: RunIndex, name: str, ended: int) -> Best | None:
    """The best as the study's answer names it; None where that was written of other trials than have ended by now."""
    with contextlib.suppress(UserError):
        summary, damage = Summary.told(index.read_json(index.study(name) / "summary.json"))
        if not damage and summary.revision > 1 and summary.trials.ended == ended:
            return summary.best
    return None


def best_of(cards: Iterable[Card], lower_is_better: bool) -> list[Card]:
    """The finished runs of the settings with the best mean over their seeds; [] where none has finished."""
    finished = sorted((card for card in cards if card.state == "finished"), key=lambda card: card.trial or 0)
    sign = -1 if lower_is_better else 1
    found = ranking.best_first(
        finished, lambda card: card.settings, lambda card: card.value, lambda value: sign * value
    )
    return found[0] if found else []


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
        foretold=(result and result.foretold) or "",
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


def beside(ending: Result | None) -> list[str]:
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
