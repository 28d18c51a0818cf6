"""Figures by matplotlib from its own defaults, into files, whatever the user's settings of it are."""

import contextlib
import math
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnkit.core import extras, surroundings


if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_REPEATABLE = {"svg.fonttype": "path", "svg.hashsalt": "rnnkit"}  # else each SVG has names of its own inside


@contextlib.contextmanager
def plain(settings: Mapping[str, Any]) -> Generator[None]:
    """Draw inside with matplotlib's defaults and these settings alone; what was in force before is so again after."""
    # A backend that is named but not installed (a notebook's) ends the import itself.
    with extras.needed("experiments", "a picture"), surroundings.hidden("MPLBACKEND|MATPLOTLIBRC"):
        import matplotlib
        from matplotlib import style

    with style.context(["default", _REPEATABLE | dict(settings)]):
        matplotlib.rcParams["timezone"] = "UTC"  # one of few that "default" leaves as they are
        yield


def figure(width: float, height: float, panels: int = 1) -> "tuple[Figure, list[Axes]]":
    """A new figure, and its panels, each of a size in inches. No window and no notebook knows of it.

    Up to three stand in one row, more in rows of two: a layer's directions beside each other.
    """
    from matplotlib.figure import Figure

    columns = panels if panels <= 3 else 2
    rows = math.ceil(panels / columns)
    made = Figure(figsize=(width * columns, height * rows), layout="constrained")
    return made, [made.add_subplot(rows, columns, 1 + at) for at in range(panels)]


def save(drawn: "Figure", path: Path, dpi: int = 110) -> None:
    """Write a figure into a PNG or SVG file, with the same bytes for the same figure."""
    from matplotlib.backends import backend_agg, backend_svg

    kind = backend_svg.FigureCanvasSVG if path.suffix == ".svg" else backend_agg.FigureCanvasAgg
    kind(drawn)  # the canvas of a figure, chosen here and by nobody's settings
    drawn.savefig(path, dpi=dpi, metadata={"Date" if path.suffix == ".svg" else "Software": None})
