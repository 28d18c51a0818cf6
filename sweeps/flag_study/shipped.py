"""The models that runs and sweeps are given: fitted on the whole bank, and told what every record says.

Before training that is what `--screen` sees; later, what light observation leaves in the rows, and validation losses.
"""

from collections.abc import Sequence
from typing import Any

from rnnkit.runs.foretelling import signs
from sweeps.flag_study import drawn, foretelling
from sweeps.flag_study.entries import Entry
from sweeps.flag_study.foretelling import Known


# What light observation sees at an evaluation, of all that a look can.
LIGHT = (
    *("size of states", "saturated units", "dead units", "dimensions of states", "growth of states"),
    *("insensitive gate", "timescale of gates"),
)
# What the bank calls these signs, and what records do.
BEFORE = {f"before: {name}": name for name in (*signs.SETTINGS, "size of first update", *signs.LOOK)}
EARLY = (
    {f"before: {name}": name for name in signs.SETTINGS}
    | {f"now: {name}": name for name in (*LIGHT, *signs.STEPS) if name != "distance from the start"}
    | dict(zip(("validation loss: of the first", "validation loss: slope"), signs.LOSSES, strict=True))
)


def told(moment: int) -> dict[str, str]:
    """What is told at a moment, by the bank's names of signs: the record's."""
    return EARLY if moment else BEFORE


def known(bank: Sequence[Entry], moment: int) -> Known:
    """What a record says at a moment of the bank's runs."""
    return foretelling.at(bank, moment).of(told(moment).__contains__)


def models(bank: Sequence[Entry]) -> list[dict[str, Any]]:
    """The models, as `rnnkit.runs.foretelling` reads them."""
    found = []
    for moment, steps in enumerate(drawn.MOMENTS):
        there = known(bank, moment)
        penalty = foretelling.chosen(there, there.families)
        found.append({"after": steps / drawn.STEPS, **model(there, told(moment), penalty)})
    return found


def model(there: Known, names: dict[str, str], penalty: float) -> dict[str, Any]:
    """A model fitted on all that is known."""
    weights, constant = foretelling.weighed(there, penalty)
    squares = dict(zip(foretelling.two_sided(there.names), weights[len(there.names) :], strict=True))
    parts = []
    for sign, (name, quantiles) in enumerate(zip(there.names, foretelling.quantiles(there), strict=True)):
        of_square = _short(squares.get(sign, 0.0))
        parts.append({"name": names[name], "weight": _short(weights[sign]), "of_square": of_square})
        parts[-1]["quantiles"] = list(map(_short, quantiles.tolist()))
    return {"signs": parts, "constant": _short(constant)}


def _short(value: float) -> float:
    return float(f"{value:.4g}")
