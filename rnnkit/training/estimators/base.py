"""What all estimators have in common: parameters, a fit as a recorded run, answers, files without pickle."""

import contextlib
import functools
import io
import sys
import tempfile
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch

from rnnkit.core import UserError, determinism, extras
from rnnkit.inference import Model, answers, description, flushes_denormals, of_parts, weights
from rnnkit.inference import load as load_run
from rnnkit.runs import Status
from rnnkit.training.estimators import by_data, learning, pace, report
from rnnkit.training.estimators.given import Given, sequences
from rnnkit.training.estimators.learning import Learned
from rnnkit.training.experiment import experiment


with extras.needed("experiments", "an estimator"):
    from sklearn.base import BaseEstimator
    from sklearn.utils import check_random_state
    from sklearn.utils.validation import check_is_fitted


# Parameters that say how a fit is run and kept, rather than what it computes.
_APART = ("random_state", "time_limit", "verbose", "runs_dir", "class_weight")


_FOUND = ("seed_", "n_steps_", "n_epochs_", "report_", "predictions_", "validation_scores_")

Number = int | float | str  # or "auto"


@dataclass(kw_only=True, eq=False, repr=False)
class Estimator(BaseEstimator):
    """A recurrent net with scikit-learn's methods; what is "auto" follows from the data, as `by_data` says.

    Each fit is a run like any other, with its record in `runs_dir`: metrics, weights, `predictions.csv` with every
    answer to a sequence that validated, and `report.txt`. All of these depend on the data, the parameters and
    `random_state` alone, bit for bit, unless there is a `time_limit`.
    """

    kind: ClassVar[str]

    cell: str = "gru"
    """The recurrent cell: the name of a file of rnnkit/nn/cells."""
    hidden_size: Number = "auto"
    """Units in each layer and direction."""
    depth: int = 1
    """Recurrent layers, one on top of the other."""
    bidirectional: bool = True
    """Read each sequence from both ends."""
    dropout: float = 0.0
    """Share of units dropped between layers (depth 2 or more)."""
    head_dropout: Number = "auto"
    """Share of units dropped before the scores."""
    unit: str = "auto"
    """What a step of a text is: words or characters."""
    embedding_size: Number = "auto"
    """Numbers that stand for a word, character or token."""
    least_count: Number = "auto"
    """Words that come less often count as unknown."""
    grams: Number = "auto"
    """Words or characters in a row that count for an answer by themselves, beside the recurrent layers; 0 for none."""
    word_dropout: Number = "auto"
    """Share of words read as unknown in training."""
    learning_rate: Number = "auto"
    """The optimizer's, at its peak."""
    clip: float = 1.0
    """Gradients are scaled down to this norm; 0 for never."""
    batch_size: Number = "auto"
    """Sequences in a batch."""
    epochs: Number = "auto"
    """Passes over the training part."""
    patience: int = 0
    """Stop after so many evaluations without a better one; 0 for never."""
    folds: Number = "auto"
    """Nets that answer together, each of which validates on another fold; 1 for one net and one validation part."""
    validation_fraction: float = 0.2
    """Share of the sequences to choose weights by, where there is one net."""
    watch: str = "auto"
    """What weights are chosen by: accuracy or macro_f1; of numbers mae."""
    time_limit: float | None = None
    """Seconds that a fit may take. How far it comes then depends on the machine."""
    random_state: Any = None
    """A seed, or what scikit-learn draws one from."""
    device: str = "auto"
    """auto, cpu or cuda."""
    threads: int = 1
    """Threads to compute with; results are the same for any number."""
    observe: str = "light"
    """What to look at inside the net: off, light or full."""
    track: str = "off"
    """Mirror the run to Weights & Biases: off, auto, offline or online."""
    runs_dir: str | Path | None = "runs"
    """The folder for the record; None leaves nothing behind."""
    verbose: int = 0
    """1 prints scores and report, and shows a bar."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = tags.input_tags.string = tags.input_tags.allow_nan = True
        return tags

    def save(self, path: "str | Path") -> None:
        """Write weights, preprocessing and parameters into a `.safetensors` file, which runs no code when it is read.

        `load` of this class makes the fitted estimator of it, `rnnkit.load` a model.
        """
        check_is_fitted(self, "model_")
        kept = {"class": type(self).__name__, "parameters": self._plain(), "fitted": self._fitted()}
        with as_value_errors():
            weights.write(Path(path), self.model_.net.state_dict(), description(self.model_) | {"estimator": kept})

    @classmethod
    def load(cls, path: "str | Path") -> Self:
        """A fitted estimator from the file that `save` wrote. Raises `ValueError` for another."""
        with as_value_errors():
            tensors, told = weights.read(Path(path))
            model = of_parts(tensors, told)
        kept = told.get("estimator")
        if not isinstance(kept, dict) or kept.get("class") != cls.__name__:
            what = f"a {kept.get('class')}" if isinstance(kept, dict) else "a model, not an estimator"
            raise ValueError(f"{path} holds {what}, not {cls.__name__}")
        try:
            made = cls(**{name: kept["parameters"][name] for name in cls().get_params()})
            made._restore(model, kept["fitted"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{path} was saved by another version, or changed: {error}") from None
        return made

    def _fit(self, learned: Learned, counts: np.ndarray, **told: Any) -> Self:
        """Train on what was learned from X and y, as a recorded run, and keep the model that came out."""
        began = time.perf_counter()
        state = self.random_state
        seed = int(state) if _is_seed(state) else int(check_random_state(state).randint(2**31))
        values = {name: value for name, value in self.get_params(deep=False).items() if name not in _APART}
        values |= {"seed": seed, "data": learned.sha256, **told}
        count = len(learned.given.inputs)
        with contextlib.ExitStack() as stack:
            stack.enter_context(as_value_errors())
            stack.enter_context(undisturbed())
            if self.runs_dir is None:
                folder = stack.enter_context(tempfile.TemporaryDirectory())
            else:
                folder = str(self.runs_dir)
            values["runs_dir"] = Path(folder)
            config = by_data.config(values, learned.given, self.kind, counts, count)
            setup = functools.partial(learning.setup, learned)
            fit = experiment(by_data.Config, setup, functools.partial(learning.conclude, learned))
            said = stack.enter_context(contextlib.redirect_stderr(io.StringIO())) if not self.verbose else None
            try:
                if self.time_limit is not None:
                    config, fit = pace.within(began + self.time_limit, config, fit)
                result = fit(config)
            finally:
                _say(said)
            if result.status != Status.FINISHED:
                raise ValueError(f"the training has {result.status}: {result.reason}; lower learning_rate")
            self.model_ = load_run(result.folder)
            self.report_ = (result.folder / report.REPORT).read_text(encoding="utf-8")
            self.predictions_ = (result.folder / report.PREDICTIONS).read_text(encoding="utf-8")
        self.run_ = None if self.runs_dir is None else result.folder
        self.seed_, self.n_steps_, self.n_epochs_ = seed, result.step, config.epochs
        self.validation_scores_ = {
            name.split("/")[-2]: value for name, value in result.metrics.items() if name.endswith("/valid")
        }
        if self.verbose:
            scores = ", ".join(f"{name} {value:.4f}" for name, value in self.validation_scores_.items())
            print(f"{result.step} steps in {result.seconds:.1f} s; validation: {scores}\n{self.report_}", end="")
        return self

    def _answers(self, x: Any) -> tuple[Given, list[Any]]:
        """What was asked, and what the net says of each sequence."""
        check_is_fitted(self, "model_")
        given = sequences(x)
        known = self.model_.preprocessing
        reads = {"series": "series", "tokens": "tokens"}.get(known.reads, "text")
        if given.reads != reads:
            raise ValueError(f"X holds {given.reads}, and {type(self).__name__} has learned from {reads}")
        if given.channels != len(known.channels):
            raise ValueError(
                f"X has {given.channels} channels, and {type(self).__name__} has learned from {len(known.channels)}"
            )
        with as_value_errors():
            return given, answers(self.model_, given.inputs, [f"X[{place}]" for place in range(len(given.inputs))])

    def _plain(self) -> dict[str, Any]:
        """The parameters as JSON has them: a random state that is not a number as the seed that it gave."""
        found = self.get_params(deep=False)
        if not _is_seed(found["random_state"]):
            found["random_state"] = self.seed_
        found["runs_dir"] = None if found["runs_dir"] is None else str(found["runs_dir"])
        return {name: plain(value) for name, value in found.items()}

    def _fitted(self) -> dict[str, Any]:
        """What a fit has found, beside the model, as plain values."""
        return {name: getattr(self, name) for name in _FOUND}

    def _restore(self, model: Model, fitted: dict[str, Any]) -> None:
        """Be as a fit left it that found this."""
        self.model_, self.run_ = model, None
        for name in _FOUND:
            setattr(self, name, fitted[name])


def plain(value: Any) -> Any:
    """A number of NumPy's as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def _is_seed(value: Any) -> bool:
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _say(said: "io.StringIO | None") -> None:
    """What a silent fit has to say all the same: all but that threads may matter, where there is one."""
    for line in said.getvalue().splitlines() if said else []:
        if line != determinism.TOO_LATE:
            print(line, file=sys.__stderr__)


@contextlib.contextmanager
def as_value_errors() -> Generator[None]:
    """What cannot be used is a `ValueError` to scikit-learn, and to who calls it."""
    try:
        yield
    except UserError as error:
        raise ValueError(str(error)) from None


@contextlib.contextmanager
def undisturbed() -> Generator[None]:
    """Threads, random state and deterministic algorithms of torch are afterwards what they were."""
    threads, warns = torch.get_num_threads(), torch.is_deterministic_algorithms_warn_only_enabled()
    deterministic = torch.are_deterministic_algorithms_enabled()
    flushes = flushes_denormals()
    with torch.random.fork_rng([torch.cuda.current_device()] if torch.cuda.is_available() else []):
        try:
            yield
        finally:
            torch.set_num_threads(threads)
            torch.use_deterministic_algorithms(deterministic, warn_only=warns)
            torch.set_flush_denormal(flushes)
