"""What else was tried on the bank: other models of the same signs, and models that saw nets of the same tasks."""

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sweeps.flag_study import foretelling
from sweeps.flag_study.foretelling import Known


FOLDS = 10
# Each is held back as much as does it good; more freedom came out lower.
MODELS: dict[str, Callable[[], Any]] = {
    "squares and products of all ranks": lambda: make_pipeline(
        PolynomialFeatures(2, include_bias=False), StandardScaler(), LogisticRegression(C=1e-3, max_iter=1_000)
    ),
    "extremely randomized trees": lambda: ExtraTreesClassifier(500, min_samples_leaf=5, random_state=0),
    "gradient boosting": lambda: GradientBoostingClassifier(subsample=0.5, random_state=0),
}


def others(known: Known) -> dict[str, np.ndarray]:
    """The chance of each run, of shape (runs,), by each other model of families that it does not belong to."""
    return {name: apart(known, make) for name, make in MODELS.items()}


def apart(known: Known, make: Callable[[], Any]) -> np.ndarray:
    """The chance of each run, of shape (runs,), by a model of the ranks of other families' signs."""

    def of_family(rows: np.ndarray) -> np.ndarray:
        train, test = foretelling.part(known, ~rows), foretelling.part(known, rows)
        model = make().fit(foretelling.features(train, train.values), train.learned)
        return model.predict_proba(foretelling.features(train, test.values))[:, 1]

    return foretelling.by_group(known.families, of_family)


def of_the_same_tasks(known: Known) -> np.ndarray:
    """The chance of each run, of shape (runs,), by the model in use, which saw nine of ten nets of its task too."""
    fold, folds = np.empty(len(known.learned), dtype=int), StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for number, (_, test) in enumerate(folds.split(known.values, known.tasks)):
        fold[test] = number

    def of_fold(rows: np.ndarray) -> np.ndarray:
        seen = foretelling.part(known, ~rows)
        penalty = foretelling.chosen(seen, seen.families)
        return foretelling.fitted(seen, foretelling.part(known, rows), penalty)

    return foretelling.by_group(fold, of_fold)
