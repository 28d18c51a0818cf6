"""The table cell x task of docs/evidence.md: every cell at one budget of parameters, on several tasks."""

from dataclasses import dataclass

from rnnkit.core import cells


PARAMETERS = 20_000
SEEDS = 5
_TRAINED = "--learning-rate 0.01 --epochs 4 --round 50 --observe off"


def layers(cell: str) -> int:
    """How many layers a cell has in the table: two where no product reads the state, as one could not react to it."""
    return 1 if cells.facts(cell).recurrent else 2


@dataclass(frozen=True)
class Column:
    """A task: the settings of all its runs, and for each cell how many units give the budget of parameters.

    `head` is what stands above its figures.
    """

    task: str
    head: str
    experiment: str
    flags: str
    metric: str
    units: dict[str, int]  # as `--parameters` of sweeps.run finds them; a test holds that they give the budget

    def row_flags(self, cell: str) -> str:
        """The settings of a cell's runs."""
        return f"{self.flags} --cell {cell} --depth {layers(cell)} --hidden-size {self.units[cell]}"

    def commands(self) -> list[str]:
        """The sweeps whose runs these are: of the cells with one layer, and of those with two."""
        found: list[str] = []
        for depth in (1, 2):
            grid = ",".join(cell for cell in self.units if layers(cell) == depth)
            study = f"cells-{self.task}{'' if depth == 1 else '-2'}"
            told = f"--parameters {PARAMETERS} --seeds {SEEDS} --confirm 0 --study {study}"
            sweep = f"python -m sweeps.run {self.experiment} --grid cell={grid} {told}"
            found.append(f"{sweep} -- --depth {depth} {self.flags}")
        return found


COLUMNS = (
    Column(
        "adding",
        "adding, 20 steps: squared error",
        "memory",
        f"--task adding --length 20 {_TRAINED}",
        "metric/loss/test",
        dict(gru=80, lngru=79, lnlstm=68, lru=53, lstm=69, mingru=98, minlstm=80, peephole=68, rnn=139, slstm=69),
    ),
    Column(
        "copying",
        "copying, after 5 steps: nats a step",
        "memory",
        f"--task copying --length 5 {_TRAINED}",
        "metric/loss/test",
        dict(gru=74, lngru=74, lnlstm=63, lru=50, lstm=64, mingru=92, minlstm=74, peephole=64, rnn=131, slstm=64),
    ),
    Column(
        "temporal-order",
        "temporal order, 20 steps: nats",
        "memory",
        f"--task temporal-order --length 20 {_TRAINED}",
        "metric/loss/test",
        dict(gru=76, lngru=75, lnlstm=65, lru=51, lstm=65, mingru=94, minlstm=76, peephole=65, rnn=135, slstm=65),
    ),
    Column(
        "reber",
        "Reber: nats a symbol above the best",
        "memory",
        f"--task reber {_TRAINED}",
        "metric/excess/test",
        dict(gru=76, lngru=75, lnlstm=65, lru=51, lstm=66, mingru=94, minlstm=76, peephole=65, rnn=134, slstm=66),
    ),
    Column(
        "music",
        "chorales: nats a step",
        "music",
        "--epochs 8 --observe off",
        "metric/nats_per_step/test",
        dict(gru=41, lngru=41, lnlstm=34, lru=34, lstm=34, mingru=53, minlstm=41, peephole=34, rnn=78, slstm=34),
    ),
    Column(
        "digits",
        "digits: accuracy",
        "digits",
        "--no-bidirectional --epochs 6 --observe off",
        "metric/accuracy/test",
        dict(gru=78, lngru=77, lnlstm=66, lru=52, lstm=67, mingru=95, minlstm=78, peephole=67, rnn=134, slstm=67),
    ),
)
