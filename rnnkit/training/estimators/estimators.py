"""Recurrent nets with scikit-learn's interface: classes, numbers, tags of steps, the next values of a series."""

from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np

from rnnkit.core import extras
from rnnkit.inference import Model
from rnnkit.training.estimators import given as givens
from rnnkit.training.estimators import windows
from rnnkit.training.estimators.base import Estimator, Number, plain
from rnnkit.training.estimators.learning import Learned


with extras.needed("experiments", "an estimator"):
    from sklearn.base import ClassifierMixin, RegressorMixin
    from sklearn.metrics import accuracy_score, r2_score
    from sklearn.utils.class_weight import compute_class_weight


@dataclass(kw_only=True, eq=False, repr=False)
class _Classes(Estimator):
    """An estimator that answers with classes. `classes_` are in the order of probabilities."""

    class_weight: Any = None
    """None, "balanced", or a dictionary of classes and their weights in the loss."""

    def _learn(self, given: givens.Given, targets: Any, classes: np.ndarray) -> Self:
        flat = np.concatenate(targets) if isinstance(targets, list) else targets
        names = tuple(str(one) for one in classes.tolist())
        learned = Learned(given, targets, names, givens.sha256(given, targets, classes))
        weights = ""
        if self.class_weight is not None:
            with_names = classes[flat]
            balanced = compute_class_weight(self.class_weight, classes=classes, y=with_names)
            weights = " ".join(f"{weight:.9g}" for weight in balanced / balanced.mean())
        counts = np.bincount(flat, minlength=len(classes))
        super()._fit(learned, counts, class_weights=weights)
        self.classes_ = classes
        return self

    def _plain(self) -> dict[str, Any]:
        weight = self.class_weight
        pairs = [[plain(key), float(value)] for key, value in weight.items()] if isinstance(weight, dict) else weight
        return super()._plain() | {"class_weight": pairs}

    def _fitted(self) -> dict[str, Any]:
        return super()._fitted() | {"classes_": self.classes_.tolist(), "classes_type": self.classes_.dtype.str}

    def _restore(self, model: Model, fitted: dict[str, Any]) -> None:
        super()._restore(model, fitted)
        self.classes_ = np.array(fitted["classes_"], dtype=np.dtype(fitted["classes_type"]))
        if len(self.classes_) != len(model.classes):
            raise ValueError(f"{len(self.classes_)} classes, and the net has {len(model.classes)}")
        if isinstance(self.class_weight, list):
            self.class_weight = {key: value for key, value in self.class_weight}


@dataclass(kw_only=True, eq=False, repr=False)
class RNNClassifier(ClassifierMixin, _Classes):
    """Classes of sequences, by a recurrent net with scikit-learn's interface.

    X is a list of arrays of shape (steps, channels) or (steps,), of texts, or of lists of tokens; an array of shape
    (sequences, steps, channels); or one of shape (sequences, steps), of one channel, NaN behind the end of a sequence.
    NaN is a missing value.

    >>> from rnnkit import RNNClassifier                                                          # doctest: +SKIP
    >>> model = RNNClassifier(random_state=0).fit(["good film", "dull film"] * 50, [1, 0] * 50)    # doctest: +SKIP
    >>> model.predict(["a good one"]), model.predict_proba(["a good one"])                         # doctest: +SKIP
    """

    kind: ClassVar[str] = "label"

    pool: str = "auto"
    """What becomes of the states of a sequence: last, mean, max, attention or joined (last, mean and max)."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803 (scikit-learn's names)
        """Learn the classes `y`, of shape (sequences,), of the sequences `X`. Raises `ValueError` for others."""
        given = givens.sequences(X)
        classes, numbers = givens.labels(y, len(given.inputs))
        return self._learn(given, numbers, classes)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The most likely class of each sequence, of shape (sequences,)."""
        shares = self.predict_proba(X)
        return self.classes_[shares.argmax(1)]

    def predict_proba(self, X: Any) -> np.ndarray:  # noqa: N803
        """The probability of each class, of shape (sequences, classes), in the order of `classes_`."""
        return np.stack([one.probabilities for one in self._answers(X)[1]])


@dataclass(kw_only=True, eq=False, repr=False)
class RNNRegressor(RegressorMixin, Estimator):
    """Numbers of sequences, by a recurrent net with scikit-learn's interface; X as for `RNNClassifier`."""

    kind: ClassVar[str] = "number"

    pool: str = "auto"
    """What becomes of the states of a sequence: last, mean, max, attention or joined (last, mean and max)."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Learn the numbers `y`, of shape (sequences,), of the sequences `X`. Raises `ValueError` for others."""
        given = givens.sequences(X)
        values = givens.numbers(y, len(given.inputs))[:, None]
        return self._fit(Learned(given, values, (), givens.sha256(given, values)), np.array([]))

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The number of each sequence, of shape (sequences,)."""
        return np.array([one.prediction for one in self._answers(X)[1]], dtype=float)


@dataclass(kw_only=True, eq=False, repr=False)
class RNNTagger(_Classes):
    """A tag for each step, by a recurrent net with scikit-learn's interface.

    X is a list of lists of tokens, or of arrays of shape (steps, channels); y has a list of tags for each, one a step.
    """

    kind: ClassVar[str] = "tags"

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Learn the tags `y`, a list for each sequence of `X`. Raises `ValueError` where a step has none."""
        given = givens.sequences(X)
        inputs = given.inputs
        if given.reads == "text":
            raise ValueError("X holds texts: give lists of tokens, one for each tag")
        classes, numbers = givens.tags(y, inputs)
        return self._learn(given, numbers, classes)

    def predict(self, X: Any) -> list[list[Any]]:  # noqa: N803
        """The most likely tag of each step, a list for each sequence."""
        return [self.classes_[shares.argmax(1)].tolist() for shares in self.predict_proba(X)]

    def predict_proba(self, X: Any) -> list[np.ndarray]:  # noqa: N803
        """The probabilities of the tags, an array of shape (steps, tags) for each sequence."""
        return [np.asarray(one.probabilities) for one in self._answers(X)[1]]

    def score(self, X: Any, y: Any) -> float:  # noqa: N803
        """The share of steps that are tagged rightly."""
        wanted = [tag for tags in y for tag in tags]
        return float(accuracy_score(wanted, [tag for tags in self.predict(X) for tag in tags]))


@dataclass(kw_only=True, eq=False, repr=False)
class RNNForecaster(Estimator):
    """The next values of series, by a recurrent net with scikit-learn's interface.

    X is a list of series, arrays of shape (steps,) or (steps, channels), whose first channel is predicted. What the net
    gives is added to a linear forecast. Series in one array: (series, steps), or (series, steps, channels).

    >>> model = RNNForecaster(horizon=7).fit([sales])                          # doctest: +SKIP
    >>> model.predict([sales])                 # the seven values that follow    # doctest: +SKIP
    """

    kind: ClassVar[str] = "forecast"

    horizon: int = 1
    """How many values ahead."""
    context: Number = "auto"
    """How many steps are read: two seasons, or an eighth of a series, up to 64."""

    def fit(self, X: Any, y: Any = None) -> Self:  # noqa: N803
        """Learn from the windows of all series in `X`. `y`, if given, are the values that follow, (series, horizon)."""
        series = self._series(X)
        if y is not None:
            series = [_continued(one, after) for one, after in zip(series, self._following(y, series), strict=True)]
        if not isinstance(self.horizon, int) or self.horizon < 1:
            raise ValueError(f"horizon must be at least 1, not {self.horizon}")
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction must be above 0 and below 1, not {self.validation_fraction}")
        context = windows.context_of(series, self.horizon) if self.context == "auto" else int(self.context)
        cut, targets, late = windows.cut(series, context, self.horizon, self.validation_fraction)
        given = givens.Given("series", cut, series[0].shape[1])
        learned = Learned(given, targets, (), givens.sha256(given, targets), late)
        return self._fit(learned, np.array([]), context=context, folds=1)

    def predict(self, X: Any) -> np.ndarray:  # noqa: N803
        """The values that follow each series, of shape (series, horizon)."""
        return np.stack([np.atleast_1d(one.prediction) for one in self._answers(X)[1]]).astype(float)

    def score(self, X: Any, y: Any = None) -> float:  # noqa: N803
        """R2 of the values that follow, `y`, of shape (series, horizon); without it of the last ones of each series."""
        series = self._series(X)
        if y is None:
            wanted = np.stack([one[-self.horizon :, 0] for one in series])
            series = [one[: -self.horizon] for one in series]
        else:
            wanted = self._following(y, series)
        return float(r2_score(wanted.ravel(), self.predict(series).ravel()))

    def _series(self, x: Any) -> list[np.ndarray]:
        given = givens.sequences(x)
        if given.reads != "series":
            raise ValueError(f"X holds {given.reads}: a forecast is made from numbers")
        return given.inputs

    def _following(self, y: Any, series: list[np.ndarray]) -> np.ndarray:
        found = np.asarray(y, float).reshape(len(y), -1)
        if found.shape != (len(series), self.horizon):
            raise ValueError(f"y has the shape {found.shape}: give ({len(series)}, {self.horizon}), series by horizon")
        return found


def _continued(one: np.ndarray, after: np.ndarray) -> np.ndarray:
    """A series with the values that follow it; what its other channels are then is missing."""
    rows = np.full((len(after), one.shape[1]), np.nan, np.float32)
    rows[:, 0] = after
    return np.concatenate([one, rows])
