"""What of a study's settings its values varied with."""

import contextlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rnnkit.core import decoration
from sweeps.analysis.facts import Importance


if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

LEAST = 8  # finished trials


def importance(trials: "Sequence[FrozenTrial]") -> Importance:
    """The share of each setting that varied, largest first; none where too few trials have finished, or all are alike.

    fANOVA (Hutter, Hoos & Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance, 2014), over
    finished trials, for the settings that all of them have and that had more than one value among them.
    """
    import optuna  # a second, which whoever shows runs alone need not wait for

    finished = [t for t in trials if t.state.name == "COMPLETE" and t.value is not None and math.isfinite(t.value)]
    if len(finished) < LEAST or len({t.value for t in finished}) == 1:
        return Importance()
    seen: dict[str, list[Any]] = {}
    for trial in finished:
        for name, value in trial.params.items():
            seen.setdefault(name, []).append(value)
    in_all = [name for name, values in seen.items() if len(values) == len(finished)]
    not_varied = {name: seen[name][0] for name in in_all if len(set(seen[name])) == 1}
    varied = [name for name in in_all if name not in not_varied]
    shares: dict[str, float] = {}
    with decoration("what the value varied with is left out"):
        optuna.logging.set_verbosity(optuna.logging.ERROR)  # it would say that a study was made
        alone = optuna.create_study()  # which direction is better plays no role
        alone.add_trials(finished)
        measure = optuna.importance.FanovaImportanceEvaluator(seed=0)
        with contextlib.suppress(RuntimeError):  # no tree sees any variance
            if varied:
                shares = optuna.importance.get_param_importances(alone, evaluator=measure, params=varied)
    if not shares:
        return Importance()
    not_weighed = [name for name in seen if name not in in_all]
    ordered = {name: float(share) for name, share in shares.items()}
    return Importance(ordered, "fANOVA", len(finished), not_varied, not_weighed)
