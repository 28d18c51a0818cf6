"""What a study's trials are, who runs them, and that each is run once.

A trial is waiting, running in the hands of one worker, or has ended. One whose worker is gone goes back to the waiting:
the same trial, with the values it has, and the run that it began is taken up from its checkpoint. So no point is lost
or doubled, whatever is killed.
"""

import functools
import itertools
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Concatenate, Literal, ParamSpec, TypeVar

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from sweeps.study import ranking, suggestions
from sweeps.study.storage import id_of
from sweeps.study.study import Study


Given = ParamSpec("Given")
Value = TypeVar("Value")

# Workers that a trial may cost without getting any further, before it is given up: that crash, and that are killed.
CRASHES, KILLS = 3, 20


@dataclass(frozen=True)
class Claim:
    """A trial in this worker's hands: `repeat` is None, or says on which of the fresh seeds it runs a trial again.

    `peers` are the finished trials that it is compared with, to be ended early where it is poor; None for never.
    With a chance to learn below `least_chance` it is ended too.
    """

    study: Study
    trial: optuna.Trial
    worker: str
    peers: optuna.Study | None = None
    least_chance: float = 0.0
    repeat: int | None = None
    confirms: int | None = None

    @property
    def number(self) -> int:
        """The trial's number."""
        return self.trial.number

    def ours(self) -> FrozenTrial | None:
        """What the storage has of the trial; None where it is not in this worker's hands any more: it seemed dead."""
        found = self.study.storage.optuna.get_trial(id_of(self.trial))
        in_hand = found.state == TrialState.RUNNING and found.user_attrs.get("worker") == self.worker
        return found if in_hand else None


def _alone(action: Callable[Concatenate[Study, Given], Value]) -> Callable[Concatenate[Study, Given], Value]:
    """Done by one process at a time, and again and again while the storage is away."""

    @functools.wraps(action)
    def done(study: Study, *given: Given.args, **words: Given.kwargs) -> Value:
        def exclusively() -> Value:
            with study.storage.exclusive():
                return action(study, *given, **words)

        return study.storage.patiently(exclusively)

    return done


@_alone
def plan(study: Study) -> None:
    """Add the points that are missing of the study's total. What is planned already stays as it is.

    Points of the plane, of a grid, and those drawn at random have their values from here on; the others get theirs from
    TPE when a worker takes them (`suggestions.settled`).
    """
    while (number := len(study.trials.get_trials(deepcopy=False))) < study.total:
        study.trials.enqueue_trial(suggestions.values(study.folder, number))


@_alone
def close(study: Study, put_by: bool = False) -> None:
    """Have the study end with the points that have begun, or with `put_by` before the first that has not ended."""
    trials = study.trials.get_trials(deepcopy=False)[: study.total]
    begun = [trial.state.is_finished() if put_by else trial.state != TrialState.WAITING for trial in trials]
    study.ask_for(next((number for number, whether in enumerate(begun) if not whether), len(begun)), study.confirm)


@_alone
def claim(study: Study, worker: str) -> Claim | None:
    """Take the next waiting trial into this worker's hands; None where none is waiting that can begin by now.

    Trials begin in the order of their numbers: what a point suggests depends on those before it. On the way, trials
    whose workers are gone go back to the waiting, and once all points have ended, the best configurations are lined up
    to be run again.
    """
    _reap(study)
    folder, trials = study.folder, study.trials.get_trials(deepcopy=False)
    for trial in [trial for trial in trials[: study.total] if trial.state == TrialState.WAITING]:
        if not suggestions.ready(folder, trials, trial.number):
            return None
        chosen = suggestions.settled(folder, trials, trial, study.before)
        if (taken := _take(study, study.trials, trial, worker, chosen)) is not None:
            beside = suggestions.known(folder, trials, trial.number)
            peers = suggestions.peers(beside, folder.objective) if suggestions.prunes(folder, trial.number) else None
            return Claim(study, taken, worker, peers, suggestions.least_chance(folder, beside, trial.number))
    if study.confirm[0] and not _missing(study):
        for trial, repeat in _unplanned(study):
            attributes = {"confirms": trial.number, "repeat": repeat}
            study.confirmations.enqueue_trial(trial.params, user_attrs=attributes)
    for trial in study.confirmations.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        original, repeat = trials[trial.user_attrs["confirms"]], trial.user_attrs["repeat"]
        chosen = original.params, original.distributions
        if (taken := _take(study, study.confirmations, trial, worker, chosen)) is not None:
            return Claim(study, taken, worker, repeat=repeat, confirms=original.number)
    return None


def _reap(study: Study) -> None:
    """Have trials whose workers are gone wait again."""
    for part in (study.trials, study.confirmations):
        for trial in study.storage.abandoned(part):
            give_back(study, trial, "killed")


reap = _alone(_reap)


def _take(
    study: Study, part: optuna.Study, trial: FrozenTrial, worker: str, chosen: suggestions.Settled
) -> optuna.Trial | None:
    storage, identifier = study.storage.optuna, id_of(trial)
    study.storage.beat(identifier)  # first: a running trial without a heartbeat would never count as abandoned
    for name, source in chosen[1].items():
        if name not in trial.params:
            first = next((one for one in part.get_trials(deepcopy=False) if name in one.params), None)
            kept = first.distributions[name] if first else None
            if not isinstance(kept, CategoricalDistribution):
                kept = suggestions.lasting(study.folder, name, source)
            storage.set_trial_param(identifier, name, kept.to_internal_repr(chosen[0][name]), kept)
    storage.set_trial_user_attr(identifier, "worker", worker)
    if not storage.set_trial_state_values(identifier, TrialState.RUNNING):
        return None
    fresh = optuna.load_study(storage=storage, study_name=part.study_name, sampler=optuna.samplers.RandomSampler())
    return optuna.Trial(fresh, identifier)  # all is settled: nothing is asked of the sampler


End = Literal["stopped", "killed", "crashed"]


def give_back(study: Study, trial: FrozenTrial, end: End) -> None:
    """Have a trial wait again, by how its worker ended; one that costs workers without getting further fails."""
    storage, identifier = study.storage.optuna, id_of(trial)
    if end != "stopped":
        cut_off = [*trial.user_attrs.get("cut_off", []), [end, len(trial.intermediate_values)]]
        storage.set_trial_user_attr(identifier, "cut_off", cut_off)  # and after how many evaluations
        in_vain = [how for how, evaluations in cut_off if evaluations == cut_off[-1][1]]
        if in_vain.count("crashed") >= CRASHES or len(in_vain) >= KILLS:
            reason = f"{len(in_vain)} workers died with it, one after the other"
            storage.set_trial_user_attr(identifier, "reason", reason)
            storage.set_trial_state_values(identifier, TrialState.FAIL)
            return
    storage.set_trial_state_values(identifier, TrialState.WAITING)


@_alone
def released(study: Study, worker: str, end: End) -> list[FrozenTrial]:
    """Have what a worker that has ended left in hand wait again, and return it."""
    found = []
    for part in (study.trials, study.confirmations):
        for trial in part.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if trial.user_attrs.get("worker") == worker:
                give_back(study, trial, end)
                found.append(trial)
    return found


def _unplanned(study: Study) -> list[tuple[FrozenTrial, int]]:
    """What is not lined up yet of the best configurations on fresh seeds: each with the number of the seed."""
    count, seeds = study.confirm
    known = {(t.user_attrs["confirms"], t.user_attrs["repeat"]) for t in study.confirmations.get_trials(deepcopy=False)}
    pairs = itertools.product(range(seeds), ranked(study)[:count])
    return [(trial, repeat) for repeat, trial in pairs if (trial.number, repeat) not in known]


def ranked(study: Study) -> list[FrozenTrial]:
    """The first trial of each configuration that finished, best configuration first, by the mean over its trials."""
    return [trials[0] for trials in _configurations(study)]


def best_so_far(study: Study) -> tuple[str, float] | None:
    """The trials of the best configuration in words, and their mean value; None while none has finished."""
    best = next(iter(_configurations(study)), None)
    if best is None:
        return None
    more = f" and {len(best) - 1} more" if best[1:] else ""
    return f"trial {best[0].number}{more}", statistics.fmean(trial.values[0] for trial in best)


def _configurations(study: Study) -> list[list[FrozenTrial]]:
    """The trials of each configuration that finished, best configuration first, by the mean over them."""
    return ranking.best_first(
        study.all_of((TrialState.COMPLETE,)),
        lambda trial: ranking.key(trial.params),
        lambda trial: trial.values[0],
        study.folder.objective.score,
    )


def unfinished(trials: list[FrozenTrial]) -> int:
    """How many of these trials have not ended."""
    return sum(not trial.state.is_finished() for trial in trials)


def _missing(study: Study) -> int:
    """How many of the study's own points have not ended."""
    return study.total - sum(trial.state.is_finished() for trial in study.all_of())


def left(study: Study) -> int:
    """How many trials are still to end, those to be run again included once they are lined up."""

    def count() -> int:
        missing = _missing(study)
        if missing or not study.confirm[0]:
            return missing
        return unfinished(study.confirmations.get_trials(deepcopy=False)) + len(_unplanned(study))

    return study.storage.patiently(count)
