"""What a point's values are, what it may know of the others, and whether its trial is ended early.

A point knows what the points up to `lag` before it came to, and nothing else: not what happens to have ended by then.
It waits until all of those have ended. So a study depends on its seed alone: the number of workers, how fast they are
and what is killed on the way change nothing.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args, get_origin, get_type_hints

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState

from rnnkit.core import cells, seeding
from rnnkit.training import Objective, Range, Space
from sweeps.study.described import StudyFolder


# Ends a trial whose best so far is among the worst third of the finished ones at as many evaluations, from the 4th on:
# evaluations count from 1, and Optuna prunes where a step is n_warmup_steps or more.
PRUNER = optuna.pruners.PercentilePruner(67.0, n_startup_trials=8, n_warmup_steps=4)
LIKELY = 0.5  # of the largest chance: with .6, one of five recorded studies lost its best (tests/bench/hopeless.py)

Settled = tuple[dict[str, Any], dict[str, BaseDistribution]]  # a point's values, and what each was chosen from


def values(folder: StudyFolder, number: int) -> dict[str, Any]:
    """What is known of a point from the start: all its values, or none where TPE is to choose them."""
    if folder.sampler == "random":
        return drawn(folder.space_at(number), seeding.stream(folder.seed, "random point", number) % 2**32)
    return folder.planned(number) if is_first_part(folder, number) else {}


def drawn(space: Space, seed: int) -> dict[str, Any]:
    """A point drawn at random, uniformly (on a logarithmic scale where a range says so), from `seed` alone."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return space.suggest(study.ask())


def is_first_part(folder: StudyFolder, number: int) -> bool:
    """Whether a point belongs to the plane or grid: the table in the end, every point of which is trained out."""
    in_plane = folder.sampler == "plane-then-tpe" and number < len(folder.space.plane())
    return folder.sampler == "grid" or in_plane


def prunes(folder: StudyFolder, number: int) -> bool:
    """Whether the trial of this number may be pruned: by default only where TPE chooses."""
    asked = folder.pruner == "percentile" or (folder.pruner == "auto" and folder.sampler != "random")
    return asked and not is_first_part(folder, number)


def foretells(folder: StudyFolder, number: int) -> bool:
    """Whether the trial of this number may be ended for its chance to learn."""
    return folder.foretell is not None and not is_first_part(folder, number)


def least_chance(folder: StudyFolder, beside: Iterable[FrozenTrial], number: int) -> float:
    """Below what chance to learn, foretold after a fifth of the steps, the trial of this number is ended; 0 for never.

    A share of the largest that one of the trials `beside` it had then: chances order the nets of a task well, and how
    large they are differs from task to task.
    """
    if not foretells(folder, number):
        return 0.0
    return LIKELY * max((trial.user_attrs.get("chance", 0.0) for trial in beside), default=0.0)


def known(folder: StudyFolder, trials: Sequence[FrozenTrial], number: int) -> Sequence[FrozenTrial]:
    """Those of a study's `trials`, in the order of their numbers, that the point of this number may know of."""
    return trials[: max(number - folder.reach + 1, 0)]


def ready(folder: StudyFolder, trials: Sequence[FrozenTrial], number: int) -> bool:
    """Whether all has ended that the point of this number is to know, if it is to know anything."""
    free = folder.sampler == "random" or is_first_part(folder, number)
    learns = not free or prunes(folder, number) or foretells(folder, number)
    return not learns or all(trial.state.is_finished() for trial in known(folder, trials, number))


def settled(
    folder: StudyFolder, trials: Sequence[FrozenTrial], trial: FrozenTrial, before: Sequence[FrozenTrial] = ()
) -> Settled:
    """The values of a waiting trial, and what each is chosen from. What it was planned with, or has, it keeps.

    `before` are the trials of the study that this one started from.
    """
    given, space = trial.system_attrs.get("fixed_params", {}) | trial.params, folder.space_at(trial.number)
    if values(folder, trial.number):
        planned = optuna.trial.FixedTrial(given)
        return space.suggest(planned), planned.distributions
    seen = known(folder, trials, trial.number)
    under_way = trials[len(seen) : trial.number]  # begun before this one: what they are is known, but no more
    view = _study(folder.objective, PointSampler(folder.seed, trial.number))
    told = [(one, one.state) for one in (*before, *seen) if one.state != TrialState.FAIL]
    for one, state in [*told, *((one, TrialState.RUNNING) for one in under_way)]:
        if distributions := inside(space, one.params):
            view.add_trial(_lean(one, state, distributions))
    view.enqueue_trial(given)
    asked = view.ask()
    return space.suggest(asked), asked.distributions


def _study(objective: Objective, sampler: optuna.samplers.BaseSampler | None = None) -> optuna.Study:
    return optuna.create_study(direction="minimize" if objective.lower_is_better else "maximize", sampler=sampler)


def _lean(trial: FrozenTrial, state: TrialState, distributions: dict[str, BaseDistribution]) -> FrozenTrial:
    """A trial with all that samplers and pruners look at; while it runs, its values alone."""
    ended = state != TrialState.RUNNING
    return optuna.trial.create_trial(
        state=state,
        params={name: trial.params[name] for name in distributions},
        distributions=distributions,
        value=trial.value if ended else None,
        intermediate_values=trial.intermediate_values if ended else {},
    )


def inside(space: Space, params: dict[str, Any]) -> dict[str, BaseDistribution]:
    """What each value of a point would be chosen from in this space; empty where the point does not lie in it."""
    ranges = space.studied | space.tuned
    return {name: distribution(ranges[name]) for name in params} if space.holds(params) else {}


def lasting(folder: StudyFolder, name: str, source: BaseDistribution) -> BaseDistribution:
    """What a study's storage has a value chosen from, which must have the same choices in all trials for ever.

    Those are all that the setting can be: a space may be widened.
    """
    if not isinstance(source, CategoricalDistribution):
        return source
    kind = get_type_hints(type(folder.base))[name]
    if kind is cells.CellName:
        return CategoricalDistribution(cells.names())
    every = get_args(kind) if get_origin(kind) is Literal else (False, True) if kind is bool else source.choices
    return CategoricalDistribution(every)


def rebased(space: Space, trials: Iterable[FrozenTrial]) -> list[FrozenTrial]:
    """The finished ones of these trials that lie in a space, as if all had been chosen from it."""
    ended = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    return [_lean(trial, trial.state, found) for trial in ended if (found := inside(space, trial.params))]


def distribution(ranged: Range | tuple[Any, ...]) -> BaseDistribution:
    """A range or choices, as Optuna has them."""
    if isinstance(ranged, tuple):
        return CategoricalDistribution(ranged)
    if isinstance(ranged.low, int) and isinstance(ranged.high, int):
        return IntDistribution(ranged.low, ranged.high, log=ranged.log)
    return FloatDistribution(ranged.low, ranged.high, log=ranged.log)


def peers(trials: Iterable[FrozenTrial], objective: Objective) -> optuna.Study:
    """A study of the finished ones of these trials, for a pruner to compare with."""
    view = _study(objective)
    for trial in trials:
        if trial.state == TrialState.COMPLETE:
            view.add_trial(_lean(trial, trial.state, {}))
    return view


def is_poor(reported: dict[int, float], step: int, beside: optuna.Study) -> bool:
    """Whether a trial that has `reported` values by evaluation is not worth going on with after evaluation `step`.

    What it reported later, before its worker was killed, plays no role: nor did it when it was at `step` first.
    """
    so_far = {evaluation: value for evaluation, value in reported.items() if evaluation <= step}
    trial = optuna.trial.create_trial(state=TrialState.RUNNING, intermediate_values=so_far)
    return PRUNER.prune(beside, trial)


class PointSampler(optuna.samplers.TPESampler):
    """TPE (Bergstra et al., Algorithms for Hyper-Parameter Optimization, 2011), seeded for one point.

    A sampler of its own for each point makes suggestions independent of how often the study was stopped.
    """

    def __init__(self, study_seed: int, number: int):
        self._point = study_seed, number
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of group=True
            super().__init__(seed=self._stream("sampler"), multivariate=True, group=True, constant_liar=True)

    def _stream(self, name: str) -> int:
        study_seed, number = self._point
        return seeding.stream(study_seed, name, number) % 2**32

    def sample_independent(self, study, trial, param_name, param_distribution):
        """A draw from the range, for what no trial has had yet, and while there are few trials."""
        chance = optuna.samplers.RandomSampler(seed=self._stream(f"sampler/{param_name}"))
        return chance.sample_independent(study, trial, param_name, param_distribution)
