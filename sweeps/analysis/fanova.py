"""How much of the variation of the value each setting accounts for: one measure for the answer and for all pages."""

import math
from collections.abc import Sequence

import optuna
from optuna.trial import FrozenTrial, TrialState


LEAST = 8  # finished trials


def importances(trials: Sequence[FrozenTrial]) -> dict[str, float]:
    """The share of each setting, largest first; empty where too few trials have finished, or nothing varies.

    fANOVA (Hutter, Hoos & Leyton-Brown, An Efficient Approach for Assessing Hyperparameter Importance, 2014), over
    finished trials, for the settings that all of them have.
    """
    finished = [t for t in trials if t.state == TrialState.COMPLETE and t.value is not None and math.isfinite(t.value)]
    if len(finished) < LEAST or len({t.value for t in finished}) == 1:
        return {}
    alone = optuna.create_study()  # which direction is better plays no role
    alone.add_trials(finished)
    measure = optuna.importance.FanovaImportanceEvaluator(seed=0)
    try:
        shares = optuna.importance.get_param_importances(alone, evaluator=measure)
    except RuntimeError:  # no tree sees any variance
        return {}
    return {name: float(share) for name, share in shares.items()}
