"""A study's folder on the disk: found or made, held by one sweep at a time, removed where nothing came of it."""

import contextlib
import dataclasses
import itertools
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from rnnkit.core import BaseConfig, UserError, files, locks, writing
from rnnkit.runs import installed_versions
from sweeps.study import storage as storages
from sweeps.study.described import (
    LAG,
    MOST_TRIALS,
    Pruner,
    Sampler,
    StudyFolder,
    continued,
    is_of_another_space,
    trial_seed,
)


__all__ = ["LAG", "MOST_TRIALS", "StudyFolder", "trial_seed"]


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


def with_its_space(folder: StudyFolder) -> StudyFolder:
    """The folder for a study that nobody has named: this one, or with -2, -3 ... the first that can have its space.

    A space that is no wider one, in the experiment's file say, makes another study: trials of two are not ranked
    together.
    """
    for name in itertools.chain([folder.name], (f"{folder.name}-{number}" for number in itertools.count(2))):
        found = dataclasses.replace(folder, path=folder.path.with_name(name))
        described = found.path / "study.json"
        if not described.exists() or not is_of_another_space(found, files.read_json(described)):
            return found
    raise AssertionError  # there is no end of names


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
