"""A study: its folder, what study.json says of it, and its trials in the storage.

A trial carries out one planned point, and its number is the point's. All that is random about it derives from the
study's seed and that number. The best configurations are run again on fresh seeds by trials of a second study of
Optuna's beside the first, so that they play no role in what the sampler suggests.
"""

import contextlib
import dataclasses
import functools
import importlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import optuna
from optuna.trial import TrialState

import experiments
from rnnkit import config as configuration
from rnnkit import records
from rnnkit.config import BaseConfig
from rnnkit.errors import UserError, writing
from sweeps import storage as storages
from sweeps.spaces import SPACES, Space


optuna.logging.set_verbosity(optuna.logging.ERROR)  # a database that is away, say, is told of in our own words

Sampler = Literal["plane-then-tpe", "grid", "random", "tpe"]
Pruner = Literal["auto", "percentile", "none"]

MOST_TRIALS = 9_000  # the seeds from there on belong to what is run again
COMPARED = ("experiment", "seed", "sampler", "pruner", "storage", "config", "space")


@dataclass(frozen=True)
class StudyFolder:
    """A study's folder and what study.json says of it.

    `base` is the configuration that all trials start from; a trial replaces in it what its point names. `made` names
    the folders that `open_folder` made for it, itself first: none for a study that was there.
    """

    path: Path
    base: BaseConfig
    seed: int
    sampler: Sampler = "plane-then-tpe"
    pruner: Pruner = "auto"
    address: str = "journal"
    made: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The study's name, which is its folder's."""
        return self.path.name

    @functools.cached_property
    def space(self) -> Space:
        """The search space of the study's experiment, without choices that do not go with the study's settings."""
        return SPACES[self.base.experiment].fitting(self.base)

    def describe(self) -> dict:
        """What must be the same for the study to be continued; with it, study.json holds versions and the time."""
        values = {
            "format": records.FORMAT,
            "study": self.name,
            "experiment": self.base.experiment,
            "seed": self.seed,
            "sampler": self.sampler,
            "pruner": self.pruner,
            "storage": "journal" if self.address == "journal" else "postgresql",
            "config": configuration.settings(self.base),
            "space": dataclasses.asdict(self.space),
        }
        return json.loads(json.dumps(values, default=str))

    def config(self, number: int, values: dict) -> BaseConfig:
        """The configuration of the trial of this number with these values."""
        return self.base.changed(seed=trial_seed(self.seed, number), **values)

    def config_again(self, repeat: int, values: dict) -> BaseConfig:
        """The configuration of a trial run again on a fresh seed: the same one for all configurations, so in pairs."""
        return self.base.changed(seed=trial_seed(self.seed, MOST_TRIALS + repeat), **values)


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
    """The folder of the study `name`, made where there is none.

    Raises `UserError` where it cannot be written, or belongs to a study with other settings.
    """
    folder = StudyFolder(runs_dir / "studies" / name, base, seed, sampler, pruner, address)
    described = folder.path / "study.json"
    if described.exists():
        require_same(name, records.read_json(described), folder.describe())
        return folder
    made: list[Path] = []
    with writing(f"the runs folder {runs_dir}"):
        try:
            for path in (*reversed(folder.path.parents), folder.path):
                if not path.exists():
                    with contextlib.suppress(FileExistsError):  # another sweep made it just now: it is not ours
                        path.mkdir()
                        made.insert(0, path)
            started = {"versions": records.installed_versions(), "started": datetime.now(UTC).isoformat()}
            records.write_json(described, folder.describe() | started)
        except OSError:
            _remove_empty(made)
            raise
    return dataclasses.replace(folder, made=tuple(made) if folder.path in made else ())


def require_same(name: str, found: dict, ours: dict) -> None:
    """Raise `UserError`, naming the first difference, where a study was started with other settings than ours."""
    for key in COMPARED:
        if found.get(key) != ours[key]:
            raise UserError(
                f"study {name} was started with another {key}{_difference(found.get(key), ours[key])}: "
                "give those settings again to continue it, or choose a new name with --study"
            )


def _difference(found, ours) -> str:
    if not isinstance(found, dict) or not isinstance(ours, dict):
        return f" ({found}, not {ours})"
    changed = [k for k in ours if found.get(k) != ours[k]]
    return "".join(f" ({k} {found.get(k)}, not {ours[k]})" for k in changed[:1])


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


def _came_to_anything(folder: StudyFolder) -> bool:
    if folder.address != "journal":  # where nobody has begun to work, the database holds plans at most, found again
        return any(path.name not in ("lock", "study.json") for path in folder.path.iterdir())
    if not (folder.path / "journal.log").exists():
        return False
    storage = storages.Journal(folder.path).optuna
    trials = [t for s in storage.get_all_studies() for t in storage.get_all_trials(s._study_id, deepcopy=False)]
    return any(trial.state.is_finished() or trial.intermediate_values for trial in trials)


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, the innermost first, as far as nobody has put anything into them."""
    for path in folders:
        with contextlib.suppress(OSError):
            path.rmdir()


def experiment(name: str):
    """The module of the experiment `name`. Raises `UserError` for an unknown one, and for one that trains nothing."""
    experiments.require(name)
    if name in experiments.LESSONS:
        raise UserError(f"{name} is a lesson, not a training: there is nothing to sweep")
    return importlib.import_module(f"experiments.{name}")


@dataclass(frozen=True)
class Study:
    """A study whose storage is open: `trials` are those that search, `again` those that run the best ones again."""

    folder: StudyFolder
    storage: "storages.Journal | storages.Database"
    trials: optuna.Study
    again: optuna.Study

    @property
    def total(self) -> int:
        """How many points the study has in all."""
        return self.trials.user_attrs["total"]

    @property
    def confirm(self) -> tuple[int, int]:
        """How many configurations are run again in the end, and on how many seeds."""
        return tuple(self.trials.user_attrs["confirm"])

    def ask_for(self, total: int, confirm: tuple[int, int] = (0, 0)) -> None:
        """Say how many points the study is to have, and what is run again in the end."""

        def say() -> None:
            for key, value in (("total", total), ("confirm", list(confirm))):
                if self.trials.user_attrs.get(key) != value:
                    self.trials.set_user_attr(key, value)

        self.storage.patiently(say)

    def all_of(self, states: tuple[TrialState, ...] | None = None) -> list:
        """The trials of the study's own points, in the order of their numbers."""
        return [t for t in self.trials.get_trials(deepcopy=False, states=states) if t.number < self.total]


def create(folder: StudyFolder, patience: float = 0.0) -> Study:
    """The study of a folder, made in its storage where it is not there yet."""
    if folder.address == "journal":
        storages.heal(folder.path)
    storage = storages.opened(folder.address, folder.path, patience)
    storage.tidy()

    def make() -> None:
        with storage.exclusive():
            known = {study.study_name for study in storage.optuna.get_all_studies()}
            direction = "minimize" if folder.space.lower_is_better else "maximize"
            for name in (again_name(folder.name), folder.name):  # a study of this name has the other too
                if name not in known:
                    optuna.create_study(storage=storage.optuna, study_name=name, direction=direction)

    storage.patiently(make)
    study = load(folder, storage)

    def described() -> dict:
        if "study.json" not in study.trials.user_attrs:
            study.trials.set_user_attr("study.json", folder.describe())
        return study.trials.user_attrs["study.json"]

    require_same(folder.name, storage.patiently(described), folder.describe())
    return study


def again_name(study: str) -> str:
    """The name of the study of Optuna's that holds what is run again."""
    return f"{study}/again"


def load(folder: StudyFolder, storage) -> Study:
    """The study of a folder in an open storage, where it is known to be."""
    trials, again = (
        storage.patiently(lambda name=name: optuna.load_study(storage=storage.optuna, study_name=name))
        for name in (folder.name, again_name(folder.name))
    )
    return Study(folder, storage, trials, again)


def join(runs_dir: Path, name: str, address: str, track: str, patience: float = 0.0) -> Study:
    """A study that a sweep has made, for a worker: what it is, its storage says.

    Raises `UserError` where there is none of this name.
    """
    path = runs_dir / "studies" / name
    if address == "journal" and not (path / "journal.log").exists():
        raise UserError(f"there is no study {name} in {runs_dir}: start it with python -m sweeps.run")
    storage = storages.opened(address, path, patience)
    try:
        trials = storage.patiently(lambda: optuna.load_study(storage=storage.optuna, study_name=name))
    except KeyError:
        raise UserError(f"--storage holds no study {name}: start it with python -m sweeps.run") from None
    said = trials.user_attrs["study.json"]
    kind = experiment(said["experiment"]).Config
    base = configuration.restored(kind, said["config"], runs_dir=runs_dir, track=track)
    folder = StudyFolder(path, base, said["seed"], said["sampler"], said["pruner"], address)
    return load(folder, storage)
