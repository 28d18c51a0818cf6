"""A study's folder: what study.json says of it, and what its trials start from.

A trial carries out one planned point, and its number is the point's. All that is random about it derives from the
study's seed and that number. `StudyFolder` is what was asked for; `opened` finds or makes it on the disk.
"""

import contextlib
import dataclasses
import functools
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import experiments
from rnnkit.core import BaseConfig, UserError, files, locks, writing
from rnnkit.core import config as configuration
from rnnkit.runs import FORMAT, installed_versions
from rnnkit.training import Objective, Space
from sweeps.study import storage as storages


Sampler = Literal["plane-then-tpe", "grid", "random", "tpe"]
Pruner = Literal["auto", "percentile", "none"]

MOST_TRIALS = 9_000  # in one study: the seeds from there on belong to confirmations
LAG = 4  # a point learns from those up to so many before it
COMPARED = ("experiment", "seed", "sampler", "pruner", "lag", "storage", "config", "space")


@dataclass(frozen=True)
class StudyFolder:
    """A study's folder and what study.json says of it.

    `base` is the configuration that all trials start from; a trial replaces in it what its point names. `made` names
    its folder and those that `opened` made above it: none for a study that was there. `lag` is None in a study that
    an earlier version began, in which what a point learned from depended on timing.
    """

    path: Path
    base: BaseConfig
    seed: int
    sampler: Sampler = "plane-then-tpe"
    pruner: Pruner = "auto"
    address: str = "journal"
    lag: int | None = LAG
    made: tuple[Path, ...] = ()

    @property
    def reach(self) -> int:
        """A point learns from those up to so many before it."""
        return self.lag or LAG

    @property
    def name(self) -> str:
        """The study's name, which is its folder's."""
        return self.path.name

    @functools.cached_property
    def space(self) -> Space:
        """The search space of the study's experiment, without choices that do not go with the study's settings."""
        return experiments.load(self.base.experiment).SPACE.fitting(self.base)

    @functools.cached_property
    def objective(self) -> Objective:
        """What the trials are judged by."""
        return experiments.load(self.base.experiment).OBJECTIVE

    def describe(self) -> dict[str, Any]:
        """What must be the same for the study to be continued; with it, study.json holds versions and the time."""
        judged = {"metric": self.objective.metric, "lower_is_better": self.objective.lower_is_better}
        values = {
            "format": FORMAT,
            "study": self.name,
            "experiment": self.base.experiment,
            "seed": self.seed,
            "sampler": self.sampler,
            "pruner": self.pruner,
            **({} if self.lag is None else {"lag": self.lag}),
            "storage": "journal" if self.address == "journal" else "postgresql",
            "config": configuration.settings(self.base),
            "space": judged | dataclasses.asdict(self.space),
        }
        return json.loads(json.dumps(values, default=str))

    def config(self, number: int, values: dict[str, Any]) -> BaseConfig:
        """The configuration of the trial of this number, or on fresh seed `number` - `MOST_TRIALS`, with these values.

        A fresh seed is the same for all that is run again on it, so in pairs.
        """
        return self.base.changed(seed=trial_seed(self.seed, number), **values)


def trial_seed(study_seed: int, number: int) -> int:
    """The seed of a trial's run: short, and another for each pair of study seed (below 2^31) and number."""
    return study_seed * 10_000 + number


def open_folder(
    runs_dir: Path,
    name: str,
    base: BaseConfig,
    seed: int,
    sampler: Sampler = "plane-then-tpe",
    pruner: Pruner = "auto",
    address: str = "journal",
) -> StudyFolder:
    """`opened`, for a study that is told in short."""
    return opened(StudyFolder(runs_dir / "studies" / name, base, seed, sampler, pruner, address))


def opened(folder: StudyFolder) -> StudyFolder:
    """The folder of a study, made where there is none.

    Raises `UserError` where it cannot be written, or belongs to a study with other settings.
    """
    described, name, runs_dir = folder.path / "study.json", folder.name, folder.path.parents[1]
    if described.exists():
        stored = files.read_json(described)
        if stored.get("study", name) != name:
            raise UserError(
                f"{folder.path} holds the study {stored['study']}: it was renamed, or is a link to it; "
                f"give it that name again, or choose a new name with --study"
            )
        return continued(folder, stored)
    made: list[Path] = []
    with writing(f"the runs folder {runs_dir}"):
        try:
            _make(folder.path, made)
            values = folder.describe() | {"versions": installed_versions(), "started": datetime.now(UTC).isoformat()}
            files.write_json(described, values, compared=values)
        except OSError:
            _remove_empty(made)
            raise
    return dataclasses.replace(folder, made=tuple(made) or (folder.path,))


def continued(folder: StudyFolder, stored: dict[str, Any]) -> StudyFolder:
    """The study of which study.json says `stored`, as a command that continues it asks for it. Raises `UserError`."""
    if isinstance(kept := stored.get("config"), dict):
        # What is younger than the study has there the value that it was made with, whatever the command says.
        younger = {name: value for name, value in configuration.younger(folder.base).items() if name not in kept}
        folder = dataclasses.replace(folder, base=folder.base.changed(**younger))
    if "lag" not in stored and folder.lag == LAG:
        folder = dataclasses.replace(folder, lag=None)
    require_same(stored, folder)
    return folder


@contextlib.contextmanager
def held(runs_dir: Path, name: str) -> Iterator[None]:
    """Be the only process that sweeps the study `name`: no other makes its folder, or says what it is, meanwhile.

    What is made for it goes again if no study comes to lie in it. Raises `UserError` where another process sweeps it.
    """
    path = runs_dir / "studies" / name
    made: list[Path] = []
    with writing(f"the runs folder {runs_dir}"):
        _make(path, made)
    try:
        with locks.exclusive(path / "lock", busy=f"study {name} is being swept by another process"):
            try:
                yield
            finally:
                _remove_unless_begun(path, made)
    except locks.Unsupported:
        _remove_unless_begun(path, made)
        raise


def _remove_unless_begun(path: Path, made: list[Path]) -> None:
    """Take a study's folder away again, and those `made` for it, where no study lies in it."""
    if not (path / "study.json").exists() and [found.name for found in path.glob("*")] in ([], ["lock"]):
        (path / "lock").unlink(missing_ok=True)
        _remove_empty(made or [path])


def require_same(stored: dict[str, Any], folder: StudyFolder) -> None:
    """Raise `UserError`, naming the first difference, where a study was started with other settings than ours."""
    ours = folder.describe()
    if isinstance(kept := stored.get("config"), dict):
        stored = {**stored, "config": configuration.younger(folder.base) | kept}
    for key in COMPARED:
        if stored.get(key) != ours.get(key):
            raise UserError(
                f"study {folder.name} was started with another {key}{_difference(stored.get(key), ours.get(key))}: "
                "give those settings again to continue it, or choose a new name with --study"
            )


@contextlib.contextmanager
def nothing_half_made(folder: StudyFolder) -> Iterator[None]:
    """Remove a study that `open_folder` made where an error ends what is done inside before a trial came to anything.

    That is what data that cannot be read do. A study that was there before stays, and so does one with a trial that
    ended or reported a value. Enter it with the study's lock held, and leave it when no worker is running.
    """
    try:
        yield
    except (UserError, OSError):
        if folder.made and not _came_to_anything(folder):
            shutil.rmtree(folder.path, ignore_errors=True)
            _remove_empty(folder.made[1:])
        raise


def _difference(stored: Any, ours: Any) -> str:
    if not isinstance(stored, dict) or not isinstance(ours, dict):
        return f" ({stored}, not {ours})"
    changed = [k for k in ours if stored.get(k) != ours[k]]
    return "".join(f" ({k} {stored.get(k)}, not {ours[k]})" for k in changed[:1])


def _came_to_anything(folder: StudyFolder) -> bool:
    if folder.address != "journal":  # where nobody has begun to work, the database holds plans at most, found again
        return any(path.name not in ("lock", "study.json") for path in folder.path.iterdir())
    if not (folder.path / "journal.log").exists():
        return False
    storage = storages.Journal(folder.path).optuna
    ids = [storage.get_study_id_from_name(study.study_name) for study in storage.get_all_studies()]
    trials = [trial for study in ids for trial in storage.get_all_trials(study, deepcopy=False)]
    return any(trial.state.is_finished() or trial.intermediate_values for trial in trials)


def _make(path: Path, made: list[Path]) -> None:
    """Make a folder and those above it, and put what was made into `made`, the innermost first."""
    for folder in (*reversed(path.parents), path):
        if not folder.exists():
            with contextlib.suppress(FileExistsError):  # another sweep made it just now: it is not ours
                folder.mkdir()
                made.insert(0, folder)


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, the innermost first, as far as nobody has put anything into them."""
    for path in folders:
        with contextlib.suppress(OSError):
            path.rmdir()
