"""Figures of a study for paper, by matplotlib, in colours that colour-blind readers tell apart.

Each picture is a function that draws on an `Axes` and returns its caption, or None where there is nothing to show.
"""

import base64
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rnnkit.core import decoration, wording
from rnnkit.runs import drawing
from sweeps.analysis.facts import Confirmation, GridCell, TrialRow


if TYPE_CHECKING:
    from matplotlib.axes import Axes


Picture = Callable[["Axes"], str | None]

# Okabe and Ito's colours.
BLUE, ORANGE, PURPLE, GREY = "#0072b2", "#d55e00", "#cc79a7", "#777777"
MARKS = {"complete": ("finished", "o", BLUE), "pruned": ("pruned", "x", GREY), "diverged": ("diverged", "^", PURPLE)}
STYLE: dict[str, Any] = {"font.size": 9, "legend.fontsize": 8, "axes.titlesize": 10}
STYLE |= {"axes.grid": True, "grid.color": "#dddddd", "axes.axisbelow": True}
STYLE |= {"axes.spines.top": False, "axes.spines.right": False}


@dataclass(frozen=True)
class Figure:
    """A figure that was drawn: what it shows, and its files; `svg` is None where only the PNG was asked for."""

    name: str
    caption: str
    png: Path
    svg: Path | None

    @property
    def source(self) -> str:
        """The figure as an address that a page can hold in itself."""
        path, kind = (self.svg, "svg+xml") if self.svg else (self.png, "png")
        return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def draw(pictures: Mapping[str, Picture], folder: Path, svg: bool = False) -> list[Figure]:
    """Draw all pictures that there is something for into a folder, under their names; those of before go.

    One that cannot be drawn is said in a line, and the others are.
    """
    drawn: list[Figure] = []
    with decoration("the figures are not drawn"):
        folder.mkdir(exist_ok=True)
        for path in (*folder.glob("*.png"), *folder.glob("*.svg")):
            path.unlink()
        with drawing.plain(STYLE):
            for name, picture in pictures.items():
                with decoration(f"the figure {name} is not drawn"):
                    _draw_one(name, picture, folder, svg, drawn)
    return drawn


def _draw_one(name: str, picture: Picture, folder: Path, svg: bool, drawn: list[Figure]) -> None:
    canvas, (axes,) = drawing.figure(5.6, 3.5)
    caption = picture(axes)
    if caption is None:
        return
    figure = Figure(name, caption, folder / f"{name}.png", folder / f"{name}.svg" if svg else None)
    drawing.save(canvas, figure.png, dpi=200)
    if figure.svg:
        drawing.save(canvas, figure.svg)
    drawn.append(figure)


def plane(axes: "Axes", cells: Sequence[GridCell], metric: str, lower_is_better: bool) -> str | None:
    """The mean value by hidden size and depth, their parameter counts below them."""
    filled = [(cell, cell.value) for cell in cells if cell.value is not None]
    if len(filled) < 2:
        return None
    sizes = list(dict.fromkeys(cell.hidden_size for cell in cells))
    depths = list(dict.fromkeys(cell.depth for cell in cells))
    values = [[math.nan] * len(depths) for _ in sizes]
    for cell, value in filled:
        values[sizes.index(cell.hidden_size)][depths.index(cell.depth)] = value
    image = axes.imshow(values, aspect="auto", origin="lower", cmap="cividis_r" if lower_is_better else "cividis")
    low, high = image.get_clim()
    for cell, value in filled:
        dark = (value < (low + high) / 2) != lower_is_better
        count = f"\n{cell.parameters:,}" if cell.parameters else ""
        place = depths.index(cell.depth), sizes.index(cell.hidden_size)
        axes.annotate(
            f"{wording.number(value)}{count}", place, ha="center", va="center", color="w" if dark else "k", fontsize=8
        )
    axes.grid(False)
    axes.set(xticks=range(len(depths)), xticklabels=depths, yticks=range(len(sizes)), yticklabels=sizes)
    axes.set(xlabel="depth (layers)", ylabel="hidden size (units)")
    axes.set_title("Hidden size and depth, other settings fixed", loc="left")
    axes.figure.colorbar(image, label=metric)
    return f"{wording.capital(metric)} by hidden size and depth, other settings fixed; below it, how many parameters."


def history(axes: "Axes", rows: Iterable[TrialRow], metric: str, lower_is_better: bool) -> str | None:
    """Each trial's value by its number, and the best so far."""
    valued = sorted((row.trial, row.state, row.value) for row in rows if row.value is not None)
    finished = [(trial, value) for trial, state, value in valued if state == "complete" and math.isfinite(value)]
    if not finished:
        return None
    for state, (label, mark, colour) in MARKS.items():
        points = [(trial, value) for trial, its, value in valued if its == state and math.isfinite(value)]
        if points:
            axes.plot(*zip(*points, strict=True), mark, color=colour, markersize=4, label=label)
    best = list(itertools.accumulate((value for _, value in finished), min if lower_is_better else max))
    axes.step([trial for trial, _ in finished], best, where="post", color=ORANGE, label="best trial so far")
    axes.set(xlabel="trial", ylabel=metric)
    axes.locator_params(axis="x", integer=True)
    axes.set_title("History of trials", loc="left")
    axes.legend()
    return "The value of each trial, and the best single one so far; of a pruned trial, the last value before its end."


def confirmations(axes: "Axes", rows: Sequence[Confirmation], metric: str) -> str | None:
    """What was run again on fresh seeds: each value, their mean and its interval, and what it was found with."""
    if not rows:
        return None
    for place, row in enumerate(rows):
        fresh, found, mean = ("fresh seeds", "found with", "mean, 95 %") if place == 0 else (None, None, None)
        seeds = list(row.values.values())
        axes.plot(seeds, [place] * len(seeds), "o", color=BLUE, markersize=4, alpha=0.7, label=fresh)
        axes.plot(row.found, place, "x", color=ORANGE, label=found)
        if row.low is not None and row.high is not None and row.low <= row.mean <= row.high:
            reach = [[row.mean - row.low], [row.high - row.mean]]
            axes.errorbar(row.mean, place, xerr=reach, fmt="D", markersize=5, color="k", capsize=3, label=mean)
    axes.set(yticks=range(len(rows)), yticklabels=[f"trial {row.trial}" for row in rows], xlabel=metric)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_title("The best again, on fresh seeds", loc="left")
    axes.legend()
    return (
        "The best settings again on fresh seeds, with 95 % intervals of the mean, beside the value each was found with."
    )


def importances(axes: "Axes", shares: Mapping[str, float]) -> str | None:
    """How much of the spread of values each setting accounts for."""
    if not shares:
        return None
    order = sorted(shares, key=lambda name: shares[name])
    axes.barh([name.replace("_", " ") for name in order], [shares[name] for name in order], color=BLUE)
    axes.set(xlabel="importance (shares of 1)", ylabel="setting")
    axes.set_title("What the value varied with (fANOVA over finished trials)", loc="left")
    return "What the value varied with over finished trials (fANOVA)."
