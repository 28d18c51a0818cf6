"""What every experiment can be told, checked when it is made. Imports no torch, so that `--help` answers at once."""

import dataclasses
import hashlib
import json
import re
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

from rnnkit.core import cells, records
from rnnkit.core.cells import CellName
from rnnkit.core.errors import Checked, UserError, flag


# Settings that a run's memory grows with, here and in the experiments: what to lower where there is not enough of it.
_SIZES = (
    *("hidden_size", "depth", "batch_size", "embedding_size", "head_size", "letter_size", "reader_size"),
    *("steps", "length"),
)

# What is dropped, or kept, along a sequence.
_IN_TIME = ("recurrent_dropout", "weight_drop", "zoneout")

# Where a run lies, how many threads it takes and who watches it do not belong to what it computes.
_placement = {"placement": True}

# A setting that is younger than some records has in them the value that stands here; with it, runs keep their names.
BEFORE = "before"

# What is written down beside a run does not change it either, but its record: a replay needs it, its name does not.
_watching = {"watching": True}


@dataclass(frozen=True, kw_only=True)
class BaseConfig(Checked):
    """The settings that all experiments share; each subclasses them. Raises `UserError` for what cannot be used."""

    experiment: ClassVar[str]
    is_command: ClassVar[bool] = True  # whether python -m experiments.<experiment> runs it
    # Settings that have no effect but with some values of others: what the others must be.
    needs: ClassVar[dict[str, dict[str, Callable[[Any], bool]]]] = {
        "observe_every": {"observe": lambda observe: observe != "off"}
    }

    # Settings that may be 0, which leaves them to what the data are: a run's `settle` fills them in.
    by_data: ClassVar[tuple[str, ...]] = ()

    seed: int = 0
    """One seed for initial weights, data order and dropout, each with a random stream of its own."""
    cell: CellName = CellName("gru")
    """Recurrent cell; see docs/cells.md."""
    hidden_size: int = 64
    """Units in each layer and direction."""
    depth: int = 2
    """Recurrent layers, one on top of the other."""
    bidirectional: bool = True
    """Read each sequence from both ends."""
    dropout: float = 0.0
    """Share of units dropped between layers (depth 2 or more)."""
    recurrent_dropout: float = field(default=0.0, metadata={BEFORE: 0.0})
    """Share of units of the state dropped where the next step reads it, the same ones at all steps of a sequence."""
    weight_drop: float = field(default=0.0, metadata={BEFORE: 0.0})
    """Share of recurrent weights dropped, the same ones throughout a batch."""
    zoneout: float = field(default=0.0, metadata={BEFORE: 0.0})
    """Chance of a unit to keep its state at a step."""
    init: Literal["default", "orthogonal", "identity", "forget-bias", "chrono", "auto"] = "default"
    """How the recurrent layers' weights start; see rnnkit.nn.initialisation. Auto takes the start that is likeliest to
    learn, by a look before training."""
    layers: Literal["rnnkit", "torch"] = "rnnkit"
    """Whose recurrent layers to use; they agree within rounding."""
    optimizer: Literal["adam", "rmsprop", "sgd"] = "adam"
    """What turns gradients into steps."""
    learning_rate: float = 0.01
    """The optimizer's learning rate, at its peak where there is a schedule."""
    schedule: Literal["one-cycle", "cosine", "constant"] = "one-cycle"
    """How the learning rate goes: up and down again, down along a cosine, or nowhere."""
    clip: float = 1.0
    """Scale gradients down to this norm where theirs is larger; 0 for never."""
    batch_size: int = 32
    """Sequences in a batch."""
    epochs: int = 15
    """Passes over the training data."""
    evaluate_every: int = 0
    """Evaluate after so many steps, and at the end; 0 for after each epoch. Training takes no notice."""
    patience: int = 0
    """Stop after so many evaluations without a better one; 0 for never."""
    keep: Literal["best", "last"] = "best"
    """Which weights to end with: those of the best evaluation, or the last ones."""
    ties: Literal["loss", "first"] = field(default="loss", metadata={BEFORE: "first"})
    """Which of equally good evaluations is the best: that with the lowest validation loss, or the first."""
    observe: Literal["off", "light", "full"] = field(default="light", metadata=_watching)
    """What to look at inside the network, on a few sequences: nothing, cheap numbers, or curves and pictures too."""
    observe_every: int = field(default=100, metadata=_watching)
    """Measure updates and gates' gradients every so many steps."""
    screen: bool = field(default=False, metadata=_placement)
    """Look into the network before it is trained, say what may keep it from learning, and stop there."""
    bits: Literal["portable", "torch"] = field(default="portable", metadata={BEFORE: "torch"})
    """Linear layers and losses by rnnkit, with the same bits on any x86 processor, or by torch, on all threads."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to compute; auto takes a GPU where there is one."""
    threads: int = field(default=1, metadata=_placement)
    """Threads to compute with; the results are the same for any number."""
    track: Literal["auto", "offline", "online", "off"] = field(default="auto", metadata=_placement)
    """Mirror the run to Weights & Biases; auto is online where you are logged in, else offline."""
    save_every: int = field(default=0, metadata=_placement)
    """Save what a stopped run goes on from after so many steps; 0 for after each evaluation. Changes no result."""
    data_dir: Path | None = field(default=None, metadata=_placement)
    """Folder that holds the data sets; else the environment variable RNNKIT_DATA says, else it is ~/.cache/rnnkit."""
    runs_dir: Path = field(default=Path("runs"), metadata=_placement)
    """Folder that holds the runs."""

    def __post_init__(self):
        for name in ("hidden_size", "batch_size", "epochs", "observe_every"):
            self._require_counts(name, least=0 if name in self.by_data else 1)
        self._require_counts("depth", most=1_000)
        self._require_counts("threads", most=256)
        for name in ("seed", "clip", "patience", "evaluate_every", "save_every"):
            self._require(name, getattr(self, name) >= 0, "0 or more")
        self._require("seed", self.seed < 2**63, "below 2^63")
        least = 0 if "learning_rate" in self.by_data else 5e-324
        self._require("learning_rate", least <= self.learning_rate < float("inf"), "above 0 and finite")
        self._require("clip", self.clip < float("inf"), "finite")
        for name in ("dropout", *_IN_TIME):
            self._require(name, 0 <= getattr(self, name) < 1, "at least 0 and below 1")
        if self.dropout and self.depth == 1:
            raise UserError("--dropout acts between layers: it needs --depth 2 or more")
        self._require_of_cell()

    def _require_of_cell(self) -> None:
        """Raise `UserError` for what the cell does not have."""
        cells.require(self.cell)
        cell = cells.facts(self.cell)
        if self.init in ("forget-bias", "chrono") and not cell.keeps:
            gated = ", ".join(name for name in cells.names() if cells.facts(name).keeps)
            raise UserError(f"--init {self.init} sets the bias of a gate: it needs a --cell that has one ({gated})")
        of_matrix = [flag(name) for name in _IN_TIME[:2] if getattr(self, name)]
        of_matrix += [f"--init {self.init}"] if self.init in ("orthogonal", "identity") else []
        if of_matrix and not cell.recurrent:
            raise UserError(f"{of_matrix[0]} needs recurrent weights, and --cell {self.cell} has none: leave it out")
        if self.zoneout and cell.states not in ("h", "hc"):
            raise UserError(f"--zoneout keeps parts of a state one by one, and those of --cell {self.cell} go together")
        if self.layers == "torch":
            if not cell.layer:
                raise UserError(f"torch has no layer of --cell {self.cell}: leave --layers torch out")
            if ours := [flag(name) for name in _IN_TIME if getattr(self, name)]:
                raise UserError(f"{ours[0]} works in rnnkit's layers alone: leave --layers torch out")

    @property
    def title(self) -> str:
        """What studies of it are called, in letters, digits and dashes: its experiment."""
        return self.experiment.replace("_", "-")

    def changed(self, **values: Any) -> Self:
        """These settings with other values for some. Raises `UserError` where they do not go together.

        Tied embeddings become as large as the hidden size is then.
        """
        if getattr(self, "tied", False) and "hidden_size" in values:
            values = {"embedding_size": values["hidden_size"]} | values
        return dataclasses.replace(self, **values)


Config = TypeVar("Config", bound=BaseConfig)


def sizes(config: BaseConfig) -> str:
    """The settings that memory grows with, as flags: `--hidden-size 64, --depth 2, --batch-size 32`."""
    present = [name for name in _SIZES if getattr(config, name, 0)]
    return ", ".join(f"{flag(name)} {getattr(config, name)}" for name in present)


def settings(config: BaseConfig) -> dict[str, Any]:
    """What the run computes with, as plain values: all fields but those that only say where it lies."""
    fields = [f for f in dataclasses.fields(config) if not f.metadata.get("placement")]
    values = {f.name: getattr(config, f.name) for f in fields}
    # 0 where 0.0 is meant is the same run, and has to have the same name.
    return values | {f.name: float(values[f.name]) for f in fields if f.type is float}


def younger(config: BaseConfig | type[BaseConfig]) -> dict[str, Any]:
    """The settings that records of earlier versions lack, and the value that holds in those."""
    return {f.name: f.metadata[BEFORE] for f in dataclasses.fields(config) if BEFORE in f.metadata}


def restored(kind: type[Config], values: dict[str, Any], **placement: Any) -> Config:
    """The configuration that `settings` gave, placed as said. Raises `UserError` for settings of another version."""
    values = younger(kind) | values
    strange = ", ".join(sorted(set(values) - {f.name for f in dataclasses.fields(kind)}))
    found, damage = records.read(kind, {**values, **placement})
    if strange or damage or found is None:
        why = f"it has no {strange}" if strange else f"its {damage[0]}"
        raise UserError(f"these settings are of another version of {kind.experiment}: {why}")
    return found


def run_name(config: BaseConfig) -> str:
    """`<experiment>-s<seed>-<hash>`, dashes for underscores.

    Runs that differ in their seed alone share the hash; what is written down of a run is no part of its name.
    """
    apart = {f.name for f in dataclasses.fields(config) if f.metadata.get("watching")} | {"seed"}
    before = younger(config)
    values = {k: v for k, v in settings(config).items() if k not in apart and (k not in before or v != before[k])}
    digest = hashlib.sha256(json.dumps([config.experiment, values], sort_keys=True).encode()).hexdigest()
    return f"{config.experiment.replace('_', '-')}-s{config.seed}-{digest[:8]}"


def names(run: str, config: BaseConfig) -> bool:
    """Whether a run of this name has this configuration: `run_name`, or that with the number of a repeat."""
    return re.fullmatch(re.escape(run_name(config)) + r"(-\d+)?", run) is not None


def flags(config: BaseConfig) -> list[str]:
    """The words of a command line that give this configuration again: the flags that differ from the defaults."""
    words: list[str] = []
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if value == f.default or f.metadata.get("placement"):
            continue
        if isinstance(value, bool):
            words.append(flag(f.name if value else f"no_{f.name}"))
        elif str(value).startswith("-"):  # which would be read as a flag
            words.append(f"{flag(f.name)}={value}")
        else:
            words += [flag(f.name), str(value)]
    return words


def given(words: Sequence[str]) -> list[str]:
    """The settings that words of a command line name, whatever their values: `--no-bidirectional` does."""
    names = [word[2:].split("=")[0].replace("-", "_") for word in words if word.startswith("--")]
    return [name.removeprefix("no_") for name in names]


def refuse_idle(config: BaseConfig, words: Sequence[str]) -> None:
    """Raise `UserError` where words of a command line give a setting that has no effect beside the others."""
    for name in given(words):
        for other, fits in config.needs.get(name, {}).items():
            if not fits(value := getattr(config, other)):
                raise UserError(f"{flag(name)} has no effect with {flag(other)} {value}: leave one of them out")


def command(config: BaseConfig) -> str:
    """The command line that gives this configuration again, as a shell takes it; "" where there is none."""
    if not config.is_command:
        return ""
    return shlex.join(["python", "-m", f"experiments.{config.experiment}", *flags(config)])


def defaults(**values: Any) -> Callable[[type[Config]], type[Config]]:
    """`@defaults(cell="lstm")` above a `Config`: other defaults for shared settings. `ValueError` for others."""

    def changed(kind: type[Config]) -> type[Config]:
        shared = {f.name: f for f in dataclasses.fields(BaseConfig)}
        for name, value in values.items():
            if name not in shared:
                raise ValueError(f"there is no setting {name}")
            kind.__annotations__[name] = shared[name].type
            setattr(kind, name, CellName(value) if name == "cell" else value)
        return kind

    return changed
