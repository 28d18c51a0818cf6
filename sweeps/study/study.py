"""A study in its storage: its trials, and those that run the best of them again.

The best configurations are run again on fresh seeds by trials of a second study of Optuna's beside the first, so that
they play no role in what the sampler suggests.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

import experiments
from rnnkit.core import UserError, files
from rnnkit.core import config as configuration
from sweeps.study import healing
from sweeps.study import storage as storages
from sweeps.study.described import StudyFolder, continued, earlier_of, order_of, told
from sweeps.study.limits import Limits


AGAIN = "/again"  # after a study's name, the study of Optuna's that holds what is run again


@dataclass(frozen=True)
class Study:
    """A study whose storage is open: `trials` are those that search, `confirmations` run the best of them again."""

    folder: StudyFolder
    storage: "storages.Journal | storages.Database"
    trials: optuna.Study
    confirmations: optuna.Study

    @property
    def total(self) -> int:
        """How many points the study has in all."""
        return self.trials.user_attrs["total"]

    @property
    def confirm(self) -> tuple[int, int]:
        """How many configurations are run again in the end, and on how many seeds."""
        return tuple(self.trials.user_attrs["confirm"])

    @property
    def before(self) -> tuple[FrozenTrial, ...]:
        """What the study that this one started from had found out by then; nothing where it started from none."""
        found = self.trials.user_attrs.get("from", {}).get("trials", [])
        return tuple(_told_of(one) for one in found)

    def start_from(self, other: "Study") -> None:
        """Have the points learn from what another study has found out. Raises `UserError` where this one has begun.

        Its trials are kept in this study: it depends on the other no more.
        """
        ended = (TrialState.COMPLETE, TrialState.PRUNED)
        trials = [
            {
                "state": trial.state.name,
                "value": trial.value,
                "params": trial.params,
                "intermediate_values": {str(step): value for step, value in trial.intermediate_values.items()},
            }
            for trial in other.trials.get_trials(deepcopy=False, states=ended)
        ]
        known = self.trials.user_attrs.get("from", {}).get("study")
        if known == other.folder.name:
            return
        if known or self.trials.get_trials(deepcopy=False):
            why = f"it started from {known}" if known else "it has begun without"
            raise UserError(f"study {self.folder.name} cannot start from {other.folder.name}: {why}; leave --from out")
        self.trials.set_user_attr("from", {"study": other.folder.name, "trials": trials})

    def ask_for(self, total: int, confirm: tuple[int, int] = (0, 0)) -> None:
        """Say how many points the study is to have, and what is run again in the end."""

        def say() -> None:
            for key, value in (("total", total), ("confirm", list(confirm))):
                if self.trials.user_attrs.get(key) != value:
                    self.trials.set_user_attr(key, value)

        self.storage.patiently(say)

    def say_why_it_ended(self, reason: str) -> None:
        """Keep why a sweep that had a time to keep planned no more points."""
        self.storage.patiently(self.trials.set_user_attr, "ended", reason)

    def admit(self, data: dict[str, str]) -> None:
        """Have all trials train on the same data, by checksums. Raises `UserError` for others than the first's."""

        def known() -> dict[str, str]:
            with self.storage.exclusive():
                if "data" not in self.trials.user_attrs:
                    self.trials.set_user_attr("data", data)
                return self.trials.user_attrs["data"]

        changed = [name for name, digest in self.storage.patiently(known).items() if data.get(name) != digest]
        if changed:
            raise UserError(
                f"study {self.folder.name} was started with other data ({', '.join(changed)} changed since): put them "
                "back to continue it, or choose a new name with --study"
            )

    def all_of(self, states: tuple[TrialState, ...] | None = None) -> list[FrozenTrial]:
        """The trials of the study's own points, in the order of their numbers."""
        return [t for t in self.trials.get_trials(deepcopy=False, states=states) if t.number < self.total]


def _told_of(stored: dict[str, Any]) -> FrozenTrial:
    """A trial of another study, as `start_from` keeps it."""
    return optuna.trial.create_trial(
        state=TrialState[stored["state"]],
        value=stored["value"],
        params=stored["params"],
        distributions={name: CategoricalDistribution([value]) for name, value in stored["params"].items()},
        intermediate_values={int(step): value for step, value in stored["intermediate_values"].items()},
    )


def create(folder: StudyFolder, patience: float = 0.0) -> Study:
    """The study of a folder, made in its storage where it is not there yet."""
    if folder.address == "journal":
        healing.heal(folder.path)
    storage = storages.opened(folder.address, folder.path, patience)
    storage.tidy()

    def make() -> None:
        with storage.exclusive():
            known = {study.study_name for study in storage.optuna.get_all_studies()}
            direction = "minimize" if folder.objective.lower_is_better else "maximize"
            for name in (folder.name + AGAIN, folder.name):  # a study of this name has the other too
                if name not in known:
                    optuna.create_study(storage=storage.optuna, study_name=name, direction=direction)
            trials = optuna.load_study(storage=storage.optuna, study_name=folder.name)
            if "study.json" not in trials.user_attrs:  # while nobody else can say otherwise
                trials.set_user_attr("study.json", folder.describe())

    storage.patiently(make)
    study = load(folder, storage)
    stored = storage.patiently(lambda: study.trials.user_attrs["study.json"])
    return storage.patiently(_widened, dataclasses.replace(study, folder=continued(folder, stored)), stored)


def _widened(study: Study, stored: dict[str, Any]) -> Study:
    """The study with its space as it was until the first point that has not begun, if it is a wider one from there."""
    folder, known = study.folder, told(stored["space"])
    if folder.space == known:
        return study
    with study.storage.exclusive():
        _require_room(study)
        begun = [trial.params or trial.system_attrs.get("fixed_params") for trial in study.trials.get_trials()]
        until = next((number for number, values in enumerate(begun) if not values), len(begun))
        folder = dataclasses.replace(folder, earlier=(*folder.earlier, (until, known)))
        study.trials.set_user_attr("study.json", folder.describe())
    path = folder.path / "study.json"
    files.write_json(path, (files.read_json(path) if path.exists() else {}) | folder.describe())
    return dataclasses.replace(study, folder=folder)


def _require_room(study: Study) -> None:
    """Raise `UserError` for choices that the storage, in which choices stay what they were, does not have."""
    for name, values in (study.folder.space.studied | study.folder.space.tuned).items():
        found = (trial.distributions.get(name) for trial in study.trials.get_trials(deepcopy=False))
        first = next((one for one in found if isinstance(one, CategoricalDistribution)), None)
        lacking = (
            [str(one) for one in values if one not in first.choices] if first and isinstance(values, tuple) else []
        )
        if lacking:
            raise UserError(
                f"study {study.folder.name} cannot add {name} {', '.join(lacking)}, which it began without: "
                f"start a new study: --study NAME --from {study.folder.name}"
            )


def load(folder: StudyFolder, storage) -> Study:
    """The study of a folder in an open storage, where it is known to be."""
    opened = lambda name: storage.patiently(lambda: optuna.load_study(storage=storage.optuna, study_name=name))
    return Study(folder, storage, opened(folder.name), opened(folder.name + AGAIN))


def join(runs_dir: Path, name: str, address: str, patience: float = 0.0, **placement: Any) -> Study:
    """A study that a sweep has made, as its storage says, for a worker. Raises `UserError` where there is none."""
    path = runs_dir / "studies" / name
    if address == "journal" and not (path / "journal.log").exists():
        raise UserError(f"there is no study {name} in {runs_dir}: start it with python -m sweeps.run")
    storage = storages.opened(address, path, patience)
    try:
        trials = storage.patiently(lambda: optuna.load_study(storage=storage.optuna, study_name=name))
    except KeyError:
        raise UserError(f"--storage holds no study {name}: start it with python -m sweeps.run") from None
    stored = trials.user_attrs.get("study.json")
    if stored is None:
        raise UserError(f"study {name} is only just being made: start the worker again in a moment")
    kind = experiments.load(stored["experiment"]).Config
    base = configuration.restored(kind, stored["config"], runs_dir=runs_dir, **placement)
    asked = stored["seed"], stored["sampler"], stored["pruner"], address, stored.get("lag"), told(stored["space"])
    folder = StudyFolder(path, base, *asked, earlier_of(stored), Limits(**stored.get("limits", {})), order_of(stored))
    return load(folder, storage)
