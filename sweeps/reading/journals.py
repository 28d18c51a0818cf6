"""A study's journal read without a lock: a sweep that goes on does not notice."""

import functools
import threading
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.analysis import Importance, importance


if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

_one_at_a_time = threading.RLock()  # a page and its charts ask at the same time


@dataclass(frozen=True)
class Stored:
    """What a journal holds: trials, those on fresh seeds, and what is run again: so many settings, on so many seeds.

    `trials` are those of the study's own points; a study that was told to have fewer leaves the others out.
    """

    trials: "tuple[FrozenTrial, ...]" = ()
    fresh: "tuple[FrozenTrial, ...]" = ()
    confirm: tuple[int, int] = (0, 0)


def stored(journal: Path, name: str) -> Stored:
    """What the journal holds of the study of this name; nothing where there is no journal."""
    if not journal.exists():
        return Stored()
    with _one_at_a_time:
        return _stored(journal, name, journal.stat().st_size)


def importance_of(journal: Path, name: str, found: Stored) -> Importance:
    """What the values of its finished trials varied with."""
    finished = tuple((trial.number, trial.value) for trial in found.trials if trial.state.name == "COMPLETE")
    with _one_at_a_time:
        return _importance(journal, name, finished) if finished else Importance()


@functools.lru_cache(maxsize=32)
def _stored(journal: Path, name: str, size: int) -> Stored:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    from sweeps.study import study as named

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what is experimental
        storage = JournalStorage(JournalFileBackend(str(journal)))
        study, fresh = optuna.load_study(study_name=name, storage=storage), []
        if any(found.study_name == name + named.AGAIN for found in storage.get_all_studies()):
            fresh = optuna.load_study(study_name=name + named.AGAIN, storage=storage).get_trials(deepcopy=False)
        total, (count, seeds) = study.user_attrs.get("total"), study.user_attrs.get("confirm", (0, 0))
        trials = [t for t in study.get_trials(deepcopy=False) if total is None or t.number < total]
    return Stored(tuple(trials), tuple(trial for trial in fresh if "confirms" in trial.user_attrs), (count, seeds))


@functools.lru_cache(maxsize=32)
def _importance(journal: Path, name: str, finished: tuple) -> Importance:
    """The importances over these finished trials, which take a second: not anew for each line of a living journal."""
    return importance(_stored(journal, name, journal.stat().st_size).trials)
