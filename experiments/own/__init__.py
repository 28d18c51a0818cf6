"""Sequences of your own: labels, numbers, tags of steps or forecasts, from a file or folder. See docs/own-data.md.

    python -m experiments.own --data visits.csv --target diagnosis          # a row a step, or a row a sequence
    python -m experiments.own --data reviews.jsonl --target stars           # texts with a label
    python -m experiments.own --data names.conll                            # a token and its tag a line
    python -m experiments.own --data sales.csv --time day --target sold --horizon 7
    python -m experiments.own --data sounds/                                # a folder with a subfolder for each class
    python -m sweeps.run own -- --data visits.csv --target diagnosis        # which size, and how sure

What the file shows is told before training, and what is guessed names the flag that says otherwise. Settings that are
left out follow from the data: how long to train, batches, sizes, pooling. Beside the net stand cheap baselines on the
same parts. `predictions.csv` in the run's folder has each test row, `answer.txt` the scores of each class.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from experiments.own import rules
from rnnkit.core import BaseConfig, UserError, defaults
from rnnkit.core import config as configuration
from rnnkit.runs import Result
from rnnkit.training import Final, Objective, Space, Task, experiment


if TYPE_CHECKING:
    import torch

    from experiments.own.examples import Prepared


@dataclass(frozen=True, kw_only=True)
@defaults(depth=1)
class Config(BaseConfig):
    """Settings of one run."""

    experiment: ClassVar[str] = "own"
    by_data: ClassVar[tuple[str, ...]] = ("hidden_size", "batch_size", "epochs", "learning_rate")

    hidden_size: int = 0
    """Units in each layer and direction; 0 for by the data."""
    batch_size: int = 0
    """Sequences in a batch; 0 for by the data."""
    epochs: int = 0
    """Passes over the training part; 0 for by the data, in steps (`--updates`)."""
    learning_rate: float = 0.0
    """The optimizer's learning rate, at its peak where there is a schedule; 0 for by the data."""
    data: str = ""
    """The file or folder: .csv, .tsv, .jsonl, .parquet, .npz, .ts, tokens with tags, or a folder for each class."""
    target: str = ""
    """The column to predict; of a file without a header its number."""
    test: str = ""
    """A file of the same form to test with; else a fifth of the data is set aside."""
    task: Literal["auto", "label", "number", "tags", "forecast"] = "auto"
    """What to predict: a label or a number of each sequence, a tag of each step, or the next values of a series."""
    id: str = ""
    """The column that rows of one sequence share, where a row is a step."""
    time: str = ""
    """The column that the steps of a sequence are sorted by."""
    text: str = ""
    """The column with the text."""
    split: str = ""
    """The column that says train, valid or test."""
    group: str = ""
    """The column of persons, machines, ... none of which may stand in two parts."""
    ignore: str = ""
    """Columns to leave out, separated by commas."""
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet", "npz", "ts", "folder", "tokens"] = "auto"
    """The format of the file; by default by its suffix."""
    unit: Literal["auto", "values", "words", "characters", "tokens"] = "auto"
    """What a step is; a text is read by words, or by characters where most texts have two words or fewer."""
    folds: int = 0
    """Validate in so many folds, one net each, which answer together; 1 for one validation part, 0 by the data."""
    split_seed: int = 0
    """Seed of the parts."""
    horizon: int = 1
    """How many values a forecast predicts."""
    context: int = 0
    """How many steps a forecast reads; 0 for by the data."""
    season: int = 0
    """Steps after which the series repeats itself; 0 for by the data."""
    updates: int = 0
    """Steps of training, where --epochs is not given; 0 for by the data, 200 to 3,000."""
    watch: Literal["auto", "accuracy", "macro_f1", "mae"] = "auto"
    """What the net is judged by; macro F1 where classes are unequal."""
    pool: Literal["auto", "last", "mean", "max", "attention", "joined"] = "auto"
    """What becomes of the states of a sequence."""
    embedding_size: int = 0
    """Numbers that stand for a word or character; 0 for by the data."""
    least_count: int = 0
    """Words that come less often in training count as unknown; 0 for by the data."""
    scale: Literal["auto", "channel", "place", "table"] = field(
        default="auto", metadata={configuration.BEFORE: "channel"}
    )
    """Standardise each channel of a series over all steps, or each place by itself; or read places as the columns of a
    table, all in one step: by default where all have one length and their places are of quite other sizes."""
    gaps: Literal["auto", "on", "off"] = field(default="auto", metadata={configuration.BEFORE: "off"})
    """Read the time since the step before too, where rows have times; by default where steps do not come evenly."""
    differences: bool = field(default=False, metadata={configuration.BEFORE: False})
    """Read what each channel of a series has changed by since the step before too."""
    grams: int | None = field(default=None, metadata={configuration.BEFORE: 0})
    """Up to so many words or characters in a row count for an answer by themselves, beside the recurrent layers; 0 for
    none, None for by the data."""
    word_dropout: float | None = None
    """Share of words read as unknown in training; None for by the data."""
    head_dropout: float | None = None
    """Share of the pooled state's units dropped in training; None for by the data."""
    class_weights: bool = False
    """Weigh each class by one over its share, in the loss."""

    def __post_init__(self):
        super().__post_init__()
        self._require_counts("horizon", most=10_000)
        for name in ("context", "season", "updates", "embedding_size", "least_count"):
            self._require_counts(name, least=0)
        self._require("folds", 0 <= self.folds <= 20, "between 0 and 20")
        self._require("split_seed", 0 <= self.split_seed < 2**31, "between 0 and 2^31 - 1")
        self._require("grams", 0 <= (self.grams or 0) <= 8, "between 0 and 8")
        for name in ("head_dropout", "word_dropout"):
            self._require(name, 0 <= (getattr(self, name) or 0) < 1, "at least 0 and below 1")

    @property
    def title(self) -> str:
        """`own-visits` of visits.csv."""
        stem = re.sub("[^A-Za-z0-9]+", "-", Path(self.data).stem).strip("-")
        return "-".join(filter(None, ("own", stem[:40])))


def OBJECTIVE(config: Config) -> Objective:  # noqa: N802 (it stands where others have a constant)
    """What runs are judged by: accuracy or macro F1 of labels and tags, the mean absolute error of numbers."""
    return Objective(f"metric/{'accuracy' if config.watch == 'auto' else config.watch}/valid")


def SPACE(config: Config) -> Space:  # noqa: N802
    """What a sweep searches, by what the data are."""
    return rules.space(config)


def settle(config: Config) -> Config:
    """The settings with what the data decide, and a few lines about data and decisions where any was open."""
    if not config.data:
        raise UserError("--data FILE is needed: a file or folder with your sequences; see docs/own-data.md")
    if rules.is_settled(config):
        return config
    from experiments.own import examples
    from rnnkit.datasets.own import description

    data, places = examples.divided(config)
    windows = examples.windows(config, data) if data.answers == "forecast" else None
    found = rules.settled(config, data, windows.places if windows else places, windows)
    shown = examples.divided(found)[1] if windows is None else examples.windows(found, data).places
    print("\n".join(description.lines(data, shown)))
    print("\n".join(rules.in_words(config, found, len(shown.train), data)))
    return found


def setup(config: Config, device: "torch.device") -> "Task[Prepared]":
    """The net, its batches and its loss, from the settings."""
    import functools

    from experiments.own import examples, nets
    from rnnkit.training import tasks

    data = examples.prepared(config)
    cost = nets.cost_of(config, data)
    measure = functools.partial(nets.measured, config, data)
    model = nets.model(config, data.preprocessing, data.train.inputs).to(device)
    name = Path(config.data).name
    return tasks.on_examples(
        config, OBJECTIVE(config), model, data, name, measure, cost, word_dropout=config.word_dropout or 0.0
    )


def conclude(config: Config, task: "Task[Prepared]") -> Final:
    """Test the weights that are kept, beside cheap baselines, and write down every answer."""
    from experiments.own import answer

    return answer.final(config, task)


def remarks(config: Config, result: Result) -> list[str]:
    """The answer in words, as it stands in the run's folder."""
    path = result.folder / "answer.txt"
    return [f"  {line}" for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


run = experiment(Config, setup, conclude, remarks=remarks, settle=settle)
main = run.main
