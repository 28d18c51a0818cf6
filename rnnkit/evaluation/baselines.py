"""Cheap models to see a recurrent net beside, by scikit-learn and sktime: of series, texts, tags and forecasts.

Each learns from the training part; which of them the net is compared with is chosen on the validation part, by what
the net is judged by; then it learns from both, and answers the test part.
"""

import functools
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rnnkit.core import UserError, extras, processes
from rnnkit.evaluation import rockets, summaries


@dataclass(frozen=True)
class Baseline:
    """A cheap model: from inputs and targets to learn from, and further inputs, to answers for these.

    It is given what `reads` makes of the inputs, once for all baselines that read alike; by default as they are.
    """

    name: str
    answers: Callable[[Any, np.ndarray, Any], np.ndarray]
    reads: Callable[[Sequence[Any]], Any] = list


@dataclass(frozen=True)
class Answered:
    """What a baseline answers of the test part, and its score on the validation part, the higher the better."""

    name: str
    answers: np.ndarray
    valid: float


def answered(
    baselines: Sequence[Baseline],
    train: tuple[Sequence[Any], np.ndarray],
    valid: tuple[Sequence[Any], np.ndarray],
    test: Sequence[Any],
    score: Callable[[np.ndarray, np.ndarray], float],
) -> tuple[list[Answered], list[str]]:
    """What each answers, `score(truth, answers)` being its value on the validation part; and in words who could not.

    Targets are labels or numbers, one for each input, or for tags one for each token, all joined.
    """
    with extras.needed("experiments", "a baseline"):
        import threadpoolctl

    every = [*train[0], *valid[0], *test]
    first, both = len(train[0]), len(train[0]) + len(valid[0])
    read = functools.cache(lambda reads: reads(every))

    def answers(one: Baseline, learn: int, targets: np.ndarray, asked: slice) -> np.ndarray:
        rows = read(one.reads)
        with threadpoolctl.threadpool_limits(1):  # of a sweep's workers each has one core
            found = one.answers(rows[:learn], targets, rows[asked])
        processes.give_back_memory()  # of trees, and of copies: what is learned next does not come on top
        return found

    found: list[Answered] = []
    left_out: list[str] = []
    for one in baselines:
        try:
            value = score(valid[1], answers(one, first, train[1], slice(first, both)))
            targets = np.concatenate([train[1], valid[1]])
            found.append(Answered(one.name, answers(one, both, targets, slice(both, None)), value))
        # A package that is not there; or scikit-learn's word, for texts without a word, one label alone, ...
        except (UserError, ValueError) as error:
            left_out.append(f"{one.name} is left out: {str(error).splitlines()[0]}")
    read.cache_clear()  # an error's traceback would hold it until the next collection
    processes.give_back_memory()
    return found, left_out


def majority() -> Baseline:
    """The most frequent label, always."""
    return Baseline(
        "majority", lambda _, targets, asked: np.full(len(asked), Counter(targets.tolist()).most_common(1)[0][0])
    )


def mean() -> Baseline:
    """The median number, always: what the mean absolute error is lowest with."""
    return Baseline("median", lambda _, targets, asked: np.full(len(asked), np.median(targets)))


def of_series(numbers: bool) -> list[Baseline]:
    """Linear model, and trees, on summaries of series; MiniRocket too, if the extra `rocket` is there."""
    with extras.needed("experiments", "a baseline"):
        from sklearn.ensemble import (
            ExtraTreesClassifier,
            ExtraTreesRegressor,
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
        )
        from sklearn.linear_model import LogisticRegression, RidgeCV

    def on_summaries(name: str, make: Callable[[], Any], dtype: type[np.generic] = np.float64) -> Baseline:
        def answers(rows: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
            with np.errstate(over="ignore"):  # what is too large for single precision trees refuse in words
                rows, asked = (some.astype(dtype, copy=False) for some in (rows, asked))
            return make().fit(rows, targets).predict(asked)

        return Baseline(f"{name} on summaries", answers, summaries.of_series)

    # Trees read single precision, and would make a copy of it. An eighth of the usual bins of boosting: as good, and
    # three times as fast.
    boosting: dict[str, Any] = {"max_bins": 32, "random_state": 0}
    if numbers:
        return [
            mean(),
            on_summaries("ridge", lambda: _scaled(RidgeCV(np.logspace(-2, 4, 13)))),
            on_summaries("extra trees", lambda: ExtraTreesRegressor(200, random_state=0), np.float32),
            on_summaries("gradient boosting", lambda: HistGradientBoostingRegressor(**boosting)),
            _rocket(numbers),
        ]
    boosting["max_iter"] = 50
    return [
        majority(),
        on_summaries("logistic regression", lambda: _scaled(LogisticRegression(max_iter=1_000))),
        on_summaries("extra trees", lambda: ExtraTreesClassifier(200, random_state=0), np.float32),
        on_summaries("gradient boosting", lambda: HistGradientBoostingClassifier(**boosting)),
        _rocket(numbers),
    ]


def _rocket(numbers: bool) -> Baseline:
    return Baseline("MiniRocket + ridge", lambda *given: rockets.answers(*given, numbers=numbers))


def _scaled(model: Any) -> Any:
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), model)


def of_texts(numbers: bool) -> list[Baseline]:
    """Linear models on TF-IDF of words and pairs, and of characters."""
    with extras.needed("experiments", "a baseline"):
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression, Ridge
        from sklearn.pipeline import make_pipeline

    def reading(**features: Any) -> Callable[[Sequence[Any], np.ndarray, Sequence[Any]], np.ndarray]:
        def answers(inputs: Sequence[Any], targets: np.ndarray, asked: Sequence[Any]) -> np.ndarray:
            model = Ridge(1.0) if numbers else LogisticRegression(C=10.0, max_iter=1_000)
            pipeline = make_pipeline(TfidfVectorizer(sublinear_tf=True, **features), model)
            return pipeline.fit([*inputs], targets).predict([*asked])

        return answers

    kind = "ridge" if numbers else "logistic regression"
    return [
        mean() if numbers else majority(),
        Baseline(f"TF-IDF of words and pairs + {kind}", reading(ngram_range=(1, 2))),
        Baseline(f"TF-IDF of 1 to 4 characters + {kind}", reading(analyzer="char_wb", ngram_range=(1, 4))),
    ]


def of_tags() -> list[Baseline]:
    """The usual tag of each token, and a logistic regression on a token, its neighbours and their ends."""
    return [
        Baseline("usual tag of each token", _usual),
        Baseline("logistic regression on tokens and neighbours", _neighbours),
    ]


def of_steps() -> list[Baseline]:
    """The usual tag, and trees on the values of a step and of three before and after it."""
    with extras.needed("experiments", "a baseline"):
        from sklearn.ensemble import HistGradientBoostingClassifier

    def boosting(inputs: Sequence[Any], targets: np.ndarray, asked: Sequence[Any]) -> np.ndarray:
        model = HistGradientBoostingClassifier(max_iter=50, random_state=0)
        return model.fit(_around(inputs), targets).predict(_around(asked))

    def usual(inputs: Sequence[Any], targets: np.ndarray, asked: Sequence[Any]) -> np.ndarray:
        del inputs
        return np.full(sum(map(len, asked)), Counter(targets.tolist()).most_common(1)[0][0])

    return [Baseline("majority", usual), Baseline("gradient boosting on neighbouring steps", boosting)]


def _around(inputs: Sequence[np.ndarray], reach: int = 3) -> np.ndarray:
    """Each step with those around it, of shape (steps, channels x 7); NaN beyond a sequence's ends."""
    rows = [np.pad(one.astype(np.float64), ((reach, reach), (0, 0)), constant_values=np.nan) for one in inputs]
    return np.concatenate(
        [np.concatenate([one[k : len(one) - 2 * reach + k] for k in range(2 * reach + 1)], 1) for one in rows]
    )


def _usual(inputs: Sequence[Any], targets: np.ndarray, asked: Sequence[Any]) -> np.ndarray:
    counts: dict[str, Counter[Any]] = defaultdict(Counter)
    for token, tag in zip(_flat(inputs), targets.tolist(), strict=True):
        counts[token][tag] += 1
    usual = Counter(targets.tolist()).most_common(1)[0][0]
    return np.array([counts[token].most_common(1)[0][0] if token in counts else usual for token in _flat(asked)])


def _neighbours(inputs: Sequence[Any], targets: np.ndarray, asked: Sequence[Any]) -> np.ndarray:
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import SGDClassifier

    hasher = FeatureHasher(2**20, input_type="string")
    passes: dict[str, Any] = {"max_iter": 10, "tol": None}
    model = SGDClassifier(loss="log_loss", alpha=1e-6, random_state=0, **passes)
    model.fit(hasher.transform(_features(inputs)), targets)
    return np.asarray(model.predict(hasher.transform(_features(asked))))


def _features(inputs: Sequence[Sequence[str]]) -> list[list[str]]:
    rows: list[list[str]] = []
    for one in inputs:
        padded = ["<", *one, ">"]
        for place, token in enumerate(one, start=1):
            before, after = padded[place - 1], padded[place + 1]
            row = [f"w={token}", f"l={token.lower()}", f"b={before}", f"a={after}", f"ba={before} {after}"]
            row += [f"e{n}={token[-n:].lower()}" for n in (1, 2, 3)] + [f"s={token[:2]}", f"c={token[:1].isupper()}"]
            rows.append([*row, f"d={any(map(str.isdigit, token))}"])
    return rows


def _flat(inputs: Sequence[Sequence[str]]) -> list[str]:
    return [token for one in inputs for token in one]


def linear_forecast(windows: np.ndarray, targets: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Ridge regression from windows, (rows, steps), to the values after, (rows, horizon), both less the last step."""
    with extras.needed("experiments", "a baseline"):
        from sklearn.linear_model import RidgeCV

    last, asked_last = windows[:, -1:], asked[:, -1:]
    model = RidgeCV(np.logspace(-2, 4, 13)).fit(windows - last, targets - last)
    return model.predict(asked - asked_last).reshape(len(asked), -1) + asked_last
