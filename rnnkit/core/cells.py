"""What recurrent cells there are: a file in rnnkit/nn/cells each, whose name is the cell's.

Their equations need torch, and a command line is to answer at once. So what it asks of a cell is read from the file's
text: the plain values in its `CELL = Cell(...)`.
"""

import ast
import contextlib
import functools
from dataclasses import dataclass, fields
from pathlib import Path

from rnnkit.core.errors import UserError
from rnnkit.core.texts import wording


@dataclass(frozen=True, kw_only=True)
class CellFacts:
    """What is known of a cell without its equations.

    `gates` are letters, in the order in which their rows of the weights lie one below the other, `candidates` those
    of them that are no gates but values (between -1 and 1, say).
    """

    states: str = "h"  # a letter for each part of the state, h first: "hc" for an LSTM
    gates: str = ""
    keeps: str = ""  # the gate that keeps the state where it is 1, if there is one
    writes: str = ""  # the gate that lets new values in, where that is not 1 less the one that keeps
    candidates: str = ""
    unsaturated: str = ""  # gates that may be near 0 or 1 and pass gradients on: exponentials, say
    bounded: bool = True  # whether |h| is below 1, so that a unit near 1 is saturated
    layer: str = ""  # torch.nn's layer of these equations and weights, and ours of the same name, if there is one
    recurrent: bool = True  # whether products read the state before: there is a matrix `weight_hh`

    def __post_init__(self):
        for field in fields(CellFacts):
            if type(value := getattr(self, field.name)) is not type(field.default):
                raise ValueError(f"{field.name} of a cell cannot be {value!r}")


class CellName(str):
    """The name of a cell, in a configuration. `TypeError` for what is no text."""

    __slots__ = ()

    def __new__(cls, name: object):
        """The name, of a cell that is there or not: see `require`."""
        if not isinstance(name, str):
            raise TypeError
        return super().__new__(cls, name)


FOLDER = Path(__file__).parents[1] / "nn" / "cells"


def names() -> list[str]:
    """The names of all cells, in alphabetical order."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("_"))


def standard() -> tuple[str, ...]:
    """The cells that torch.nn has layers of, from the fewest gates to the most."""
    found: dict[str, int] = {}
    for name in names():
        with contextlib.suppress(UserError):  # a file that is no cell is refused where it is asked for
            if facts(name).layer:
                found[name] = len(facts(name).gates)
    return tuple(sorted(found, key=found.__getitem__))


def gated() -> tuple[str, ...]:
    """Those of the standard cells that have a gate that keeps the state: every `--init` fits them."""
    return tuple(name for name in standard() if facts(name).keeps)


def starts(name: str) -> tuple[str, ...]:
    """The ways to start the weights of a cell that make sense for it, as `--init` names them."""
    known = facts(name)
    of_matrix = ["orthogonal"] * known.recurrent + ["identity"] * (known.recurrent and not known.keeps)
    return ("default", *of_matrix, *(["forget-bias", "chrono"] if known.keeps else []))


def require(name: str) -> None:
    """Raise `UserError` unless there is a cell of this name."""
    known = names()
    if name not in known:
        meant = wording.meant(name, known)
        raise UserError(f"there is no cell {name!r}{meant or ':'} choose one of {', '.join(known)}")


@functools.cache
def facts(name: str) -> CellFacts:
    """What a cell's file says of it. Raises `UserError` for no such cell, and for a file that does not say it."""
    require(name)
    path, known = FOLDER / f"{name}.py", {field.name for field in fields(CellFacts)}
    try:
        body = ast.parse(path.read_text(encoding="utf-8"), str(path)).body
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path.name} of rnnkit/nn/cells is not Python: {error}") from None
    stated = [
        node.value
        for node in body
        if isinstance(node, ast.Assign) and [t.id for t in node.targets if isinstance(t, ast.Name)] == ["CELL"]
    ]
    if len(stated) != 1 or not isinstance(made := stated[0], ast.Call):
        raise UserError(f"{path.name} of rnnkit/nn/cells needs one `CELL = Cell(...)`: a file there is a cell")
    given = {word.arg: word.value for word in made.keywords if word.arg in known}
    try:
        values = {name: ast.literal_eval(value) for name, value in given.items()}
    except ValueError:
        raise UserError(f"{path.name} of rnnkit/nn/cells: gates and the like must be plain values") from None
    try:
        return CellFacts(**values)
    except ValueError as error:
        raise UserError(f"{path.name} of rnnkit/nn/cells: {error}") from None
