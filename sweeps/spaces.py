"""What a sweep of each experiment looks for: the plane hidden size x depth, then the settings around it."""

import itertools
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Space:
    """The search space of an experiment.

    The plane is every pair of `hidden_sizes` and `depths`, with `start` for the other settings. Around it, hidden size
    ranges over whole numbers between `hidden_size_range`, and learning rate over `learning_rate_range`, both on a
    logarithmic scale; depth over `depths`; cell and direction over their choices; dropout, where depth is above 1,
    over 0 to `dropout_limit`. `metric` is what a trial is judged by on the validation part, the higher the better
    unless `lower_is_better`.
    """

    metric: str
    hidden_sizes: tuple[int, ...]
    depths: tuple[int, ...]
    hidden_size_range: tuple[int, int]
    learning_rate_range: tuple[float, float]
    cells: tuple[str, ...] = ("rnn", "gru", "lstm")
    directions: tuple[bool, ...] = (False, True)
    dropout_limit: float = 0.5
    start: dict = field(default_factory=dict)
    lower_is_better: bool = False

    def plane(self) -> list[dict]:
        """The points of the plane, each with all settings that the search varies."""
        points = []
        for hidden_size, depth in itertools.product(self.hidden_sizes, self.depths):
            point = {"hidden_size": hidden_size, "depth": depth, **self.start}
            points.append(point | ({"dropout": 0.0} if depth > 1 else {}))
        return points

    def varied(self) -> set[str]:
        """The names of the settings that the search varies."""
        return set().union(*self.plane())

    def suggest(self, trial) -> dict:
        """Ask an Optuna trial for a point. What the trial was planned with comes back unchanged."""
        point = {
            "hidden_size": trial.suggest_int("hidden_size", *self.hidden_size_range, log=True),
            "depth": trial.suggest_int("depth", min(self.depths), max(self.depths)),
            "cell": trial.suggest_categorical("cell", self.cells),
            **self._direction(trial),
            "learning_rate": trial.suggest_float("learning_rate", *self.learning_rate_range, log=True),
        }
        if point["depth"] > 1:  # dropout acts between layers
            point["dropout"] = trial.suggest_float("dropout", 0.0, self.dropout_limit)
        return point

    def _direction(self, trial) -> dict:
        if len(self.directions) < 2:  # nothing to choose: the experiment's own stays
            return {}
        return {"bidirectional": trial.suggest_categorical("bidirectional", self.directions)}

    def best(self, trials: list):
        """The best of finished Optuna trials, the first of equal ones; None where there is none."""
        sign = -1 if self.lower_is_better else 1
        return max(trials, key=lambda t: sign * t.value, default=None)


SPACES = {
    "digits": Space(
        metric="metric/accuracy/valid",
        hidden_sizes=(8, 16, 32, 64),
        depths=(1, 2, 3),
        hidden_size_range=(8, 96),
        learning_rate_range=(1e-3, 3e-2),
        start={"cell": "gru", "bidirectional": True, "learning_rate": 0.01},
    ),
    "sentiment": Space(
        metric="metric/accuracy/valid",
        hidden_sizes=(16, 32, 64),
        depths=(1, 2),
        hidden_size_range=(16, 128),
        learning_rate_range=(5e-4, 1e-2),
        start={"cell": "lstm", "bidirectional": False, "learning_rate": 1e-3},
    ),
    "char_lm": Space(
        metric="metric/bits_per_character/valid",
        lower_is_better=True,
        hidden_sizes=(64, 128, 256),
        depths=(1, 2),
        hidden_size_range=(32, 512),
        learning_rate_range=(1e-3, 2e-2),
        directions=(False,),
        start={"cell": "lstm", "learning_rate": 5e-3},
    ),
    "memory": Space(
        metric="metric/loss/valid",
        lower_is_better=True,
        hidden_sizes=(32, 64, 128),
        depths=(1, 2),
        hidden_size_range=(16, 128),
        learning_rate_range=(1e-3, 1e-2),
        cells=("gru", "lstm"),  # those that every --init fits
        directions=(False,),
        start={"cell": "lstm", "learning_rate": 4e-3},
    ),
    "word_lm": Space(
        metric="metric/perplexity/valid",
        lower_is_better=True,
        hidden_sizes=(64, 128, 200),
        depths=(1, 2),
        hidden_size_range=(64, 400),
        learning_rate_range=(5.0, 40.0),
        directions=(False,),
        start={"cell": "lstm", "learning_rate": 20.0},
    ),
    "tagging": Space(
        metric="metric/accuracy/valid",
        hidden_sizes=(32, 64, 128),
        depths=(1, 2),
        hidden_size_range=(32, 256),
        learning_rate_range=(1e-3, 1e-2),
        start={"cell": "lstm", "bidirectional": True, "learning_rate": 5e-3},
    ),
    "music": Space(
        metric="metric/nats_per_step/valid",
        lower_is_better=True,
        hidden_sizes=(50, 100, 200),
        depths=(1, 2),
        hidden_size_range=(50, 400),
        learning_rate_range=(1e-3, 2e-2),
        directions=(False,),
        start={"cell": "lstm", "learning_rate": 5e-3},
    ),
    "pixels": Space(
        metric="metric/accuracy/valid",
        hidden_sizes=(32, 64, 128),
        depths=(1, 2),
        hidden_size_range=(32, 256),
        learning_rate_range=(5e-4, 1e-2),
        start={"cell": "gru", "bidirectional": False, "learning_rate": 5e-3},
    ),
}
