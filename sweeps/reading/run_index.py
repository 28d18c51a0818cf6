"""The runs and studies in a folder, read as they are: live, half-written or broken, and whatever their names hold.

Only what a listing of the folder names is read, never a path that somebody gives, and nothing that a link leads out
of it. What did not change since it was read last is not read again.
"""

import contextlib
import functools
import json
import os
import stat
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from rnnkit.core import UserError, files, wording
from rnnkit.runs import Flag, Manifest, Result, is_live, require_one
from sweeps.reading.described import Space, told
from sweeps.reading.rows import Columns, last_row, read_columns


# What a run can be: as its result says, or `running`, `stopped` (no result, and no process works on it) and `broken`.
State = Literal["running", "finished", "pruned", "diverged", "failed", "interrupted", "stopped", "broken"]
STATES: tuple[State, ...] = get_args(State)
# Which score a run is judged by where no study says it.
SCORES = ("accuracy", "bits_per_character", "perplexity", "nats_per_step", "mae", "loss")
LIVE_FOR = 1.0  # seconds that what was found of a lock holds
MOST_ANSWER = 1 << 20  # bytes
KEPT = 32  # runs whose columns are kept in memory


class NotThere(UserError):
    """There is no run or study of this name."""


@dataclass(frozen=True)
class Card:
    """A run in a line.

    `metric` names what it is judged by; `value` is that on the validation part, `test` on the test part, each None
    where it has none. `confirms` names the trial whose settings it repeats on a fresh seed. `trouble` says what is
    wrong with its files.
    """

    name: str
    folder: Path
    state: str
    experiment: str = ""
    study: str | None = None
    trial: int | None = None
    confirms: int | None = None
    seed: int | None = None
    config: dict = field(default_factory=dict)
    metric: str = ""
    value: float | None = None
    test: float | None = None
    step: int = 0
    seconds: float | None = None
    parameters: int | None = None
    started: datetime | None = None
    flags: tuple[Flag, ...] = ()
    reason: str | None = None
    trouble: str | None = None

    @functools.cached_property
    def settings(self) -> str:
        """All its settings but the seed, as a text that is the same for the same settings."""
        return json.dumps({name: value for name, value in self.config.items() if name != "seed"}, sort_keys=True)

    @property
    def flag_names(self) -> list[str]:
        """The names of its flags, each once."""
        return list(dict.fromkeys(flag.name for flag in self.flags))


class RunIndex:
    """The runs in `runs_dir` and the studies in its folder `studies`. Many threads may ask at once."""

    def __init__(self, runs_dir: Path) -> None:
        if not runs_dir.is_dir():
            raise UserError(
                f"there are no runs in {runs_dir}: make sweep makes some, or name another folder with --runs-dir"
            )
        self.root = runs_dir.resolve()
        self._lock = threading.Lock()
        self._cards: dict[str, tuple[tuple, Card]] = {}
        self._columns: dict[str, Columns] = {}
        self._live: dict[str, tuple[float, bool]] = {}
        self._judged: dict[str, tuple[tuple | None, tuple[str, bool]]] = {}

    @property
    def place(self) -> Path:
        """The folder as a person names it: from here, where it lies inside."""
        here = Path.cwd()
        return self.root.relative_to(here) if self.root.is_relative_to(here) else self.root

    def runs(self) -> list[Card]:
        """All runs, the latest first; those whose start is not known last."""
        with self._lock:
            cards = [card for name in _folder_names(self.root) if (card := self._card(name))]
            self._cards = {card.name: self._cards[card.name] for card in cards}
        never = datetime.min.replace(tzinfo=UTC)
        return sorted(cards, key=lambda card: (card.started or never, card.name), reverse=True)

    def run(self, name: str) -> Card:
        """The run of this name. Raises `NotThere`."""
        with self._lock:
            card = self._card(name) if name in _folder_names(self.root) else None
            if card is None:
                raise NotThere(f"there is no run {name}")
            return card

    def columns(self, name: str) -> Columns:
        """What a run logged, metric by metric; only what was added since the last time is read."""
        folder = self.run(name).folder
        with self._lock:
            columns = self._columns.pop(name, None)
            columns = read_columns(self._inside(folder / "metrics.jsonl"), columns)
            self._columns[name] = columns  # the last one used comes last
            while len(self._columns) > KEPT:
                self._columns.pop(next(iter(self._columns)))
            return columns

    def manifest(self, name: str) -> dict:
        """What the run started from; {} where it cannot be read."""
        with contextlib.suppress(UserError):
            return self.read_json(self.run(name).folder / "manifest.json")
        return {}

    def result(self, name: str) -> Result | None:
        """How the run ended, as far as result.json says it; None where there is none that can be read."""
        folder = self.run(name).folder
        with contextlib.suppress(UserError):
            found = Result.told(self.read_json(folder / "result.json"), folder)[0]
            if found is not None:
                require_one(self.manifest(name).get("run"), found)
            return found
        return None

    def media(self, name: str) -> dict[str, Path]:
        """The files in a run's media folder, by name."""
        folder = self.run(name).folder / "media"
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
        return {path.name: path for path in paths if self._inside(path)}

    def answer(self, name: str) -> str:
        """What the run's answers came to, in lines, where its experiment writes that; "" where there is none."""
        path = self._inside(self.run(name).folder / "answer.txt")
        if path is None or path.stat().st_size > MOST_ANSWER:
            return ""
        return path.read_text(encoding="utf-8", errors="replace")

    def studies(self) -> dict[str, Path]:
        """The folders of all studies, by name."""
        parent = self.root / "studies"
        return {name: parent / name for name in _folder_names(parent) if (parent / name / "study.json").exists()}

    def study(self, name: str) -> Path:
        """The folder of the study of this name. Raises `NotThere`."""
        folders = self.studies()
        if name not in folders:
            raise NotThere(f"there is no study {name}{wording.meant(name, list(folders))} (looked in {self.root})")
        return folders[name]

    def judged_by(self, study: str | None) -> tuple[str, bool]:
        """The metric that a study judges its trials by ("" where that is not known), and whether lower is better."""
        if study is None or study != os.path.basename(study):
            return "", False
        mark = _mark(path := f"{self.root}/studies/{study}/study.json")
        if study not in self._judged or self._judged[study][0] != mark:
            space = Space()
            with contextlib.suppress(UserError):
                space = told(self.read_json(Path(path)))[0].space
            self._judged[study] = mark, (space.metric, space.lower_is_better)
        return self._judged[study][1]

    def read_json(self, path: Path) -> dict:
        """A JSON file that lies inside. Raises `UserError` where it cannot be read, or does not."""
        if not self._inside(path):
            raise UserError(f"cannot read {path.name}: it is not a file inside {self.root}")
        return files.read_json(path)

    def _inside(self, path: Path) -> Path | None:
        """The path, if it is a plain file that lies inside of the folder of runs, wherever links lead."""
        try:
            # A folder in a list is no link, so that a file of it lies inside unless the file is one: most are none.
            folder = os.path.dirname(path)  # of text: of each of thousands of runs it is asked
            if os.path.dirname(folder) == str(self.root) and stat.S_ISREG(os.lstat(path).st_mode):
                return None if os.path.islink(folder) else path
            real = os.path.realpath(path, strict=True)
            plain = stat.S_ISREG(os.stat(real).st_mode)
        except (OSError, ValueError):  # a name that no file can have
            return None
        return path if plain and Path(real).is_relative_to(self.root) else None

    def _card(self, name: str) -> Card | None:
        """The run in the folder of this name; None where it holds none. Most are as they were: no path is made."""
        folder = f"{self.root}/{name}"
        manifest, result = _mark(f"{folder}/manifest.json"), _mark(f"{folder}/result.json")
        if manifest is None:
            return None
        live = result is None and self._is_live(self.root / name)
        rows = None if result else _mark(f"{folder}/metrics.jsonl")  # of a run that has ended none is read
        marks = manifest, result, rows, live
        kept = self._cards.get(name)
        if kept is None or kept[0] != marks:
            kept = self._cards[name] = marks, self._read_card(name, self.root / name, live)
        return kept[1]

    def _is_live(self, folder: Path) -> bool:
        asked, live = self._live.get(folder.name, (-LIVE_FOR, False))
        if time.monotonic() - asked >= LIVE_FOR:
            live = is_live(folder)
            self._live[folder.name] = time.monotonic(), live
        return live

    def _read_card(self, name: str, folder: Path, live: bool) -> Card:
        try:
            manifest, damage = Manifest.told(self.read_json(folder / "manifest.json"))
            trouble = damaged("manifest.json", damage)
            result = None
            if (folder / "result.json").exists():
                result, damage = Result.told(self.read_json(folder / "result.json"), folder)
                trouble += damaged("result.json", damage)
                if result is None:
                    raise UserError("; ".join(trouble))
                require_one(manifest.run, result)
        except UserError as error:
            return Card(name, folder, "running" if live else "broken", trouble=str(error))
        member = manifest.member
        metric = self.judged_by(member.study)[0]
        if result:
            numbers, step, flags = result.metrics, result.step, result.flags or ()
            ending = {"seconds": result.seconds, "parameters": result.parameters, "reason": result.reason}
        else:
            numbers, step = last_row(self._inside(folder / "metrics.jsonl"), metric)
            flags, ending = (), {}
        if metric not in numbers:
            metric = _score(numbers) or metric
        return Card(
            name,
            folder,
            state=result.status if result else "running" if live else "stopped",
            experiment=manifest.experiment,
            study=member.study,
            trial=member.trial,
            confirms=member.confirms,
            seed=manifest.seed,
            config=manifest.config,
            metric=metric,
            value=_number(numbers.get(metric)),
            test=_number(numbers.get(metric.removesuffix("/valid") + "/test")),
            step=step,
            started=_time(manifest.started),
            flags=tuple(flags),
            trouble="; ".join(trouble) or None,
            **ending,
        )


def _folder_names(parent: Path) -> list[str]:
    """The names in a folder that are no links, in order; [] where it cannot be read."""
    try:
        with os.scandir(parent) as entries:
            return sorted(entry.name for entry in entries if not entry.is_symlink())
    except OSError:
        return []


def damaged(file: str, damage: list[str]) -> list[str]:
    """What does not fit in a file of a record, in a line or none."""
    more = f" and {len(damage) - 3} more" if damage[3:] else ""
    return [f"{file} is damaged: its {', '.join(damage[:3])}{more}"] if damage else []


def _score(numbers: dict) -> str:
    """The validation score among a run's metrics that says most of it; "" where there is none."""
    scores = [key for key in numbers if key.startswith("metric/") and key.endswith("/valid")]
    by_worth = [f"metric/{name}/valid" for name in SCORES]
    return next((key for key in by_worth if key in scores), scores[0] if scores else "")


def _mark(path: Path | str) -> tuple | None:
    try:
        about = os.stat(path)
    except (OSError, ValueError):  # a name that no file can have
        return None
    return about.st_mtime_ns, about.st_size, about.st_ino


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _time(text: str) -> datetime | None:
    moment = datetime.fromisoformat(text) if text else None
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)
