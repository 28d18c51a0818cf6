"""A study on disk: its folder, its Optuna storage, its planned points, and which of them are done.

Every trial carries out one planned point, numbered from 0. The first points are the plane; later ones hold no values
until a worker takes them, and the sampler suggests them then. All that is random about a trial derives from the
study's seed and the number of its point.
"""

import contextlib
import dataclasses
import fcntl
import importlib
import itertools
import json
import os
import shutil
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

import experiments
from rnnkit import config as configuration
from rnnkit import locks, records, seeding
from rnnkit.config import BaseConfig
from rnnkit.errors import UserError, writing
from sweeps.spaces import SPACES, Space


optuna.logging.set_verbosity(optuna.logging.WARNING)


@dataclass(frozen=True)
class StudyFolder:
    """A study's folder and what study.json says of it.

    `base` is the configuration that all trials start from; a trial replaces in it what its point names. `made` names
    the folders that `open_folder` made for it, itself first: none for a study that was there.
    """

    path: Path
    base: BaseConfig
    seed: int
    made: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The study's name, which is its folder's."""
        return self.path.name

    @property
    def space(self) -> Space:
        """The search space of the study's experiment."""
        return SPACES[self.base.experiment]

    def describe(self) -> dict:
        """The content of study.json: what must be the same for the study to be continued."""
        space = dataclasses.asdict(self.space)
        return {
            "format": records.FORMAT,
            "study": self.name,
            "experiment": self.base.experiment,
            "seed": self.seed,
            "sampler": "plane, then TPE",
            "config": configuration.settings(self.base),
            "space": {k: list(v) if isinstance(v, tuple) else v for k, v in space.items()},
        }

    def storage(self) -> JournalStorage:
        """Optuna's storage in this folder. A lock that a killed process left is taken over after 5 seconds."""
        path = str(self.path / "journal.log")
        return JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path, grace_period=5)))

    def config(self, point: int, values: dict) -> BaseConfig:
        """The configuration of the trial that carries out `point` with `values`."""
        return dataclasses.replace(self.base, seed=point_seed(self.seed, point), **values)


def point_seed(study_seed: int, point: int) -> int:
    """The seed of a point's run: short, and another for each pair of study seed (below 2^31) and point."""
    return study_seed * 10_000 + point


def open_folder(runs_dir: Path, name: str, base: BaseConfig, seed: int) -> StudyFolder:
    """The folder of the study `name`, made where there is none.

    Raises `UserError` where it cannot be written, or belongs to a study with other settings.
    """
    folder = StudyFolder(runs_dir / "studies" / name, base, seed)
    described = folder.path / "study.json"
    if described.exists():
        found = records.read_json(described)
        for key, ours in folder.describe().items():
            if found.get(key) != ours:
                raise UserError(
                    f"study {name} was started with another {key}{_difference(found.get(key), ours)}: "
                    "give those settings again to continue it, or choose a new name with --study"
                )
        return folder
    made: list[Path] = []
    with writing(f"the runs folder {runs_dir}"):
        try:
            for path in (*reversed(folder.path.parents), folder.path):
                if not path.exists():
                    with contextlib.suppress(FileExistsError):  # another sweep made it just now: it is not ours
                        path.mkdir()
                        made.insert(0, path)
            records.write_json(described, folder.describe())
        except OSError:
            _remove_empty(made)
            raise
    return dataclasses.replace(folder, made=tuple(made) if folder.path in made else ())


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
    if not (folder.path / "journal.log").exists():
        return False
    storage = folder.storage()
    trials = [t for s in storage.get_all_studies() for t in storage.get_all_trials(s._study_id, deepcopy=False)]
    return any(has_ended([trial]) or trial.intermediate_values for trial in trials)


def _remove_empty(folders: Iterable[Path]) -> None:
    """Remove folders, the innermost first, as far as nobody has put anything into them."""
    for path in folders:
        with contextlib.suppress(OSError):
            path.rmdir()


def _difference(found, ours) -> str:
    if not isinstance(found, dict) or not isinstance(ours, dict):
        return f" ({found}, not {ours})"
    changed = [k for k in ours if found.get(k) != ours[k]]
    return "".join(f" ({k} {found.get(k)}, not {ours[k]})" for k in changed[:1])


def read_folder(path: Path, runs_dir: Path, track: str) -> StudyFolder:
    """The study that lies in `path`, its runs to be placed in `runs_dir` and mirrored as `track` says."""
    described = records.read_json(path / "study.json")
    kind = experiment(described["experiment"]).Config
    base = configuration.restored(kind, described["config"], runs_dir=runs_dir, track=track)
    return StudyFolder(path, base, described["seed"])


def experiment(name: str):
    """The module of the experiment `name`. Raises `UserError` for an unknown one, and for one that trains nothing."""
    experiments.require(name)
    if name in experiments.LESSONS:
        raise UserError(f"{name} is a lesson, not a training: there is nothing to sweep")
    return importlib.import_module(f"experiments.{name}")


@contextlib.contextmanager
def present(folder: StudyFolder) -> Iterator[None]:
    """Be seen as a worker of the study, by `wait_for_workers`, also after the sweep that started it is gone."""
    with locks.opened(folder.path / "workers.lock") as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield


def wait_for_workers(folder: StudyFolder) -> None:
    """Wait for the workers of a sweep that was killed: they notice at the end of an epoch that it is gone."""
    with locks.opened(folder.path / "workers.lock") as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(
                f"Waiting for workers that a killed sweep of {folder.name} left: they end with their epoch", flush=True
            )
            fcntl.flock(descriptor, fcntl.LOCK_EX)


def heal(folder: StudyFolder) -> None:
    """Cut journal.log where a full disk or a crash tore a line: Optuna could never write to it again.

    Whatever follows a torn line was never read by anybody. Call it before the storage is opened, and while no other
    process has it open.
    """
    path = folder.path / "journal.log"
    if not path.exists():
        return
    with writing(path), path.open("rb+") as file:
        whole = sum(len(line) for line in itertools.takewhile(_is_whole, file))
        torn = os.fstat(file.fileno()).st_size - whole
        if torn:
            file.truncate(whole)
            print(f"{path}: dropped {torn} bytes at its end, which a full disk or a crash had torn")


def _is_whole(line: bytes) -> bool:
    try:
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    except ValueError:
        return False


def load(folder: StudyFolder, create: bool = False) -> optuna.Study:
    """The Optuna study of a folder; made first where `create` says so and it is not there yet."""
    storage = folder.storage()
    if create and folder.name not in optuna.get_all_study_names(storage):
        direction = "minimize" if folder.space.lower_is_better else "maximize"
        optuna.create_study(storage=storage, study_name=folder.name, direction=direction)
    return optuna.load_study(storage=storage, study_name=folder.name, pruner=pruner())


def pruner() -> optuna.pruners.BasePruner:
    """Ends a trial whose best so far is among the worst third of the finished ones at its epoch, from epoch 5 on."""
    return optuna.pruners.PercentilePruner(67.0, n_startup_trials=8, n_warmup_steps=4)


def sampler(study_seed: int, point: int) -> optuna.samplers.BaseSampler:
    """TPE (Bergstra et al., Algorithms for Hyper-Parameter Optimization, 2011), seeded for one point.

    A sampler of its own for each point makes suggestions independent of how often the study was stopped.
    """
    seed = seeding.stream(study_seed, "sampler", point) % 2**32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of group=True
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)


def by_point(study: optuna.Study) -> dict[int, list[FrozenTrial]]:
    """The trials of each planned point, in the order of their numbers."""
    points: dict[int, list[FrozenTrial]] = {}
    for trial in study.get_trials(deepcopy=False):
        if "point" in trial.user_attrs:
            points.setdefault(trial.user_attrs["point"], []).append(trial)
    return points


def has_ended(trials: list[FrozenTrial]) -> bool:
    """Whether a point is done: a trial ended with a value, was pruned, or failed by itself, with a reason.

    A trial that failed without a reason was cut off, and its point is tried again.
    """
    return any(
        trial.state in (TrialState.COMPLETE, TrialState.PRUNED)
        or (trial.state == TrialState.FAIL and "reason" in trial.user_attrs)
        for trial in trials
    )


def plan(folder: StudyFolder, study: optuna.Study, total: int) -> None:
    """Queue what is missing of the points 0 to `total` - 1. Call it only while no worker is running.

    A trial that was cut off (its worker is gone) fails, and its point is queued again with the same values. Planning
    again what is planned already adds nothing.
    """
    plane = folder.space.plane()
    points = by_point(study)
    for point in range(total):
        trials = points.get(point, [])
        if not has_ended(trials) and not any(t.state == TrialState.WAITING for t in trials):
            values = plane[point] if point < len(plane) else {}
            again = {"retry_of": trials[-1].number} if trials else {}
            # Queued before the old one fails: a crash between the two loses nothing.
            study.enqueue_trial((trials and trials[-1].params) or values, user_attrs={"point": point, **again})
        for trial in trials:
            if trial.state == TrialState.RUNNING:
                study.tell(trial.number, state=TrialState.FAIL)


def claim(folder: StudyFolder, study: optuna.Study) -> tuple[optuna.Trial, int] | None:
    """Take the next queued point: its trial, now running, and its number. None where the queue is empty."""
    with locks.exclusive(folder.path / "claim.lock"):
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if not waiting:
            return None
        point = waiting[0].user_attrs["point"]
        study.sampler = sampler(folder.seed, point)
        return study.ask(), point
