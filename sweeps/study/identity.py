"""What a study is, to the last bit: what each trial was and came to, without when, where and by whom.

Two studies of one seed have the same `outcomes`, whatever the number of workers and whatever was killed on the way.
"""

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial

from rnnkit.core import files
from sweeps.study.study import Study


@dataclass(frozen=True)
class Outcome:
    """What a trial was and came to. `reported` are its values by evaluation, `weights` the SHA-256 of its weights."""

    state: str
    settings: dict[str, Any]
    value: float | None
    reported: dict[str, float]
    weights: str | None
    run: str | None


def outcomes(study: Study) -> dict[str, Outcome]:
    """What each trial of a study that has ended came to, by its name: `trial 3`, `trial 3 on fresh seed 1`."""
    again = study.confirmations.get_trials(deepcopy=False)
    ended = {f"trial {trial.number}": trial for trial in study.all_of()}
    repeats = sorted((trial.user_attrs["confirms"], trial.user_attrs["repeat"], trial.number) for trial in again)
    ended |= {f"trial {number} on fresh seed {repeat + 1}": again[place] for number, repeat, place in repeats}
    return {name: _outcome(trial) for name, trial in ended.items() if trial.state.is_finished()}


def _outcome(trial: FrozenTrial) -> Outcome:
    result = trial.user_attrs.get("result") or {}
    reported = {str(evaluation): value for evaluation, value in sorted(trial.intermediate_values.items())}
    value, weights, run = trial.value, result.get("weights_sha256"), trial.user_attrs.get("run")
    return Outcome(trial.state.name.lower(), dict(sorted(trial.params.items())), value, reported, weights, run)


def plain(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON holds it, each float with all its digits, without where its run lies."""
    return files.encode({name: value for name, value in dataclasses.asdict(outcome).items() if name != "run"})


def digest(found: dict[str, Outcome]) -> str:
    """The SHA-256 of all outcomes: equal for two studies that are the same to the last bit."""
    return hashlib.sha256(json.dumps({name: plain(one) for name, one in found.items()}).encode()).hexdigest()


def difference(one: dict[str, Outcome], other: dict[str, Outcome]) -> str | None:
    """The first thing in which two studies differ, in words; None where every bit is the same."""
    for name in one | other:
        if name not in one or name not in other:
            return f"{name}: {'not there' if name not in one else 'there'} and {'not ' * (name not in other)}there"
        ours, theirs = plain(one[name]), plain(other[name])
        for field, value in ours.items():
            if json.dumps(value) != json.dumps(theirs[field]):
                return f"{name}, {field}: {value} and {theirs[field]}"
    return None
