"""A study as its folder holds it: what was to be found out, its trials, and what they came to."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rnnkit.core import UserError, error_in_words, locks, wording
from sweeps.analysis import GridCell, Summary, TrialRow, grid_cells
from sweeps.reading import journals, summaries
from sweeps.reading.described import Described, Space, told
from sweeps.reading.run_index import Card, RunIndex, damaged


if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

# What a trial can be. `cut off`: its worker died, and its point was queued again.
TRIAL_STATES = ("finished", "pruned", "diverged", "failed", "cut off", "running", "stopped", "waiting")


@dataclass(frozen=True)
class Trial:
    """A trial: `value` is its own where it finished, and the last that it reported where it did not.

    `reported` maps epochs to values; `run` is the card of its run, None where there is none.
    """

    number: int
    state: str
    value: float | None
    settings: dict
    reported: dict[int, float]
    start: datetime | None
    end: datetime | None
    reason: str | None
    run: Card | None
    worker: str | None = None

    def row(self) -> TrialRow:
        """The trial as a summary has it."""
        state = "complete" if self.state == "finished" else self.state
        name, parameters, took = (self.run.name, self.run.parameters, self.run.seconds) if self.run else (None,) * 3
        return TrialRow(self.number, state, self.value, self.reason, self.settings, name, parameters, took, [])


@dataclass(frozen=True)
class Study:
    """A study. `summary` is what its trials came to so far; `trouble` says what cannot be read."""

    name: str
    folder: Path
    described: Described
    trials: tuple[Trial, ...]
    summary: Summary
    trouble: str | None

    @property
    def experiment(self) -> str:
        """The experiment that is swept."""
        return self.described.experiment

    @property
    def space(self) -> Space:
        """The search space, as study.json holds it."""
        return self.described.space

    @property
    def metric(self) -> str:
        """What trials are judged by, in words."""
        return wording.metric(self.space.metric) if self.space.metric else "value"

    @property
    def lower_is_better(self) -> bool:
        """Whether the lowest value is the best."""
        return self.space.lower_is_better

    @property
    def live(self) -> bool:
        """Whether a process works on one of its trials."""
        return any(trial.state == "running" for trial in self.trials)

    def of_state(self, *states: str) -> list[Trial]:
        """Its trials of these states."""
        return [trial for trial in self.trials if trial.state in states]

    @property
    def best(self) -> Trial | None:
        """The trial whose settings the answer names, the first where there are several; None while there is none."""
        best = self.summary.best
        return next((trial for trial in self.trials if best and trial.number == best.trial), None)

    @property
    def importances(self) -> dict[str, float]:
        """How much of the spread of values each setting accounts for."""
        return self.summary.importances

    @property
    def settings(self) -> list[str]:
        """The names of the settings that its trials vary."""
        return list(dict.fromkeys(name for trial in self.trials for name in trial.settings))

    def plane(self) -> list[GridCell]:
        """The cells of hidden size x depth, from finished trials that have the plane's other settings."""
        return grid_cells(self.space.plane(), self.rows())

    def rows(self) -> list[TrialRow]:
        """Its trials as a summary has them."""
        return [trial.row() for trial in self.trials]


def trial_in_words(trial: Trial) -> str:
    """A trial in a line."""
    value = "" if trial.value is None else f" {trial.value:.4g}"
    reason = f" ({trial.reason})" if trial.reason else ""
    return f"trial {trial.number}: {trial.state}{value}{reason}; {wording.settings(trial.settings)}"


def read(index: RunIndex, name: str) -> Study:
    """The study of this name. Raises `index.NotThere`; what else is wrong with it is its `trouble`."""
    folder = index.study(name)
    of_study, written = Described(), None
    trouble: list[str] = []
    try:
        of_study, damage = told(index.read_json(folder / "study.json"))
        trouble += damaged("study.json", damage)
        if (folder / "summary.json").exists():
            written, damage = Summary.told(index.read_json(folder / "summary.json"))
            trouble += damaged("summary.json", damage)
    except UserError as error:
        trouble.append(str(error))
    cards = [card for card in index.runs() if card.study == name]
    own = [card for card in cards if card.confirms is None]
    journal, stored = folder / "journal.log", journals.Stored()
    try:
        stored = journals.stored(journal, name)
        trials = tuple(_trial(frozen, own, folder) for frozen in stored.trials)
    except Exception as error:  # noqa: BLE001 (said on the page; whatever Optuna makes of a torn file, the rest is shown)
        why = f"{journal} cannot be read ({error_in_words(error)})"
        trouble.append(f"{why}: its trials are shown from their runs' records")
        trials, stored = (), journals.Stored()
    if not trials:  # kept elsewhere, or damaged
        numbered = sorted(((c.trial, c) for c in own if c.trial is not None), key=lambda pair: pair[0])
        trials = tuple(_of_card(number, card, of_study.space) for number, card in numbered)
    settings = {trial.number: trial.settings for trial in trials}
    sources = summaries.Sources(journal, stored, cards, settings, written)
    summary = summaries.of_study(index, name, of_study, sources)
    return Study(name, folder, of_study, trials, summary, "; ".join(trouble) or None)


def _trial(frozen: "FrozenTrial", cards: list[Card], folder: Path) -> Trial:
    attributes = frozen.user_attrs
    named = [c for c in cards if c.trial == frozen.number or c.name == attributes.get("run")]
    run = next((c for c in named if c.name == attributes.get("run")), named[0] if named else None)
    reason = attributes.get("reason")
    reported = dict(sorted(frozen.intermediate_values.items()))
    value = frozen.value if frozen.state.name == "COMPLETE" else None
    if value is None:
        value = next(reversed(reported.values()), None)
    settings = dict(frozen.params or frozen.system_attrs.get("fixed_params", {}))
    start, end = _utc(frozen.datetime_start), _utc(frozen.datetime_complete)
    state = _state(frozen.state.name, reason, run, _lives(folder, attributes.get("worker")))
    reason, worker = str(reason) if reason else None, attributes.get("worker")
    return Trial(frozen.number, state, value, settings, reported, start, end, reason, run, worker)


def _lives(folder: Path, worker: object) -> bool:
    """Whether a worker of this machine is at work: a trial that it has just taken has no run yet."""
    return isinstance(worker, str) and Path(worker).name == worker and locks.held(folder / "workers" / worker)


def _state(state: str, reason: str | None, run: Card | None, in_hand: bool) -> str:
    if state == "RUNNING":
        return "running" if in_hand or (run and run.state == "running") else "stopped"
    if state == "FAIL":
        return "diverged" if str(reason).startswith("diverged") else "failed" if reason else "cut off"
    return {"COMPLETE": "finished", "PRUNED": "pruned", "WAITING": "waiting"}[state]


def _of_card(number: int, card: Card, space: Space) -> Trial:
    varied = ["hidden_size", "depth", "cell", "bidirectional", "learning_rate", "dropout", *space.start]
    settings = {name: card.config[name] for name in dict.fromkeys(varied) if name in card.config}
    state = card.state if card.state in TRIAL_STATES else "cut off"
    ends = card.started + timedelta(seconds=card.seconds) if card.started and card.seconds else None
    return Trial(number, state, card.value, settings, {}, card.started, ends, card.reason, card)


def _utc(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time and not time.tzinfo else time  # Optuna's are UTC, and do not say so
