"""Pictures of what was seen inside a network, drawn from the curves that a run left in its media folder.

    python -m rnnkit.runs.plots runs/digits-s0-412afb46

They are drawn by themselves at the end of a run with `--observe full`, by a process of their own. Each is a file,
`media/<name>.png`: the gradient by lag, how often gates are shut and open, how long units remember, the eigenvalues of
a step, the hidden states' ways through two principal components, losses, and how two runs from different states meet.
"""

import contextlib
import math
import reprlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rnnkit.core import UserError, cli, decoration, files, processes
from rnnkit.runs import drawing


Curves = dict[str, Any]  # what a file of curves holds: its step, and the points of each
Picture = Callable[[list[Curves]], Any]  # from the curves of all evaluations: a figure, or None where it has no panel
Panel = Callable[[Any, str, list[Curves]], None]  # draws on an axis what is of this name in all curves
SIZE = 5.0, 3.6  # inches of one panel
# matplotlib's "tableau-colorblind10", written out: a user's own style may go by its name.
COLOURS = "006BA4", "FF800E", "ABABAB", "595959", "5F9ED1", "C85200", "898989", "A2C8EC", "FFBC79", "CFCFCF"
STYLE = {"axes.prop_cycle": f"cycler('color', {list(COLOURS)})", "patch.facecolor": COLOURS[0]}
SEQUENCES = 8  # whose states are drawn
LOSSES = {
    "with no more than k inputs": ("truncation/contexts", "truncation/losses", "context k (steps)"),
    "by step": (None, "loss/position", "step"),
    "by length": ("loss/lengths", "loss/length", "length (steps), to twice that"),
}
NOT_DRAWN = "not-drawn.txt"
PICTURES: dict[str, Picture] = {}


def draw(folder: Path) -> list[Path]:
    """Draw all pictures that the curves of a run are enough for, and return their files.

    One that cannot be drawn keeps no other from it; why is said in lines, on standard error and in media/not-drawn.txt.
    Raises `UserError` where there are curves, and none can be read.
    """
    curves: list[Curves] = []
    drawn: list[Path] = []
    wrong: list[str] = []
    for path in sorted((folder / "media").glob("curves-*.json")):
        with decoration("some curves are left out", wrong.append):
            found, damage = told(files.read_json(path))
            wrong += [f"some curves are left out: {path.name} is damaged: its {line}" for line in damage[:3]]
            if "step" in found:
                curves.append(found)
    if wrong and not curves:
        raise UserError(wrong[0])
    with decoration("pictures are not drawn", wrong.append), drawing.plain(STYLE):
        for name, picture in PICTURES.items() if curves else ():
            with decoration(f"the picture {name} is not drawn", wrong.append):
                if (figure := picture(curves)) is not None:
                    drawing.save(figure, folder / "media" / f"{name}.png")
                    drawn.append(folder / "media" / f"{name}.png")
    for line in wrong:
        print(line, file=sys.stderr)
    with contextlib.suppress(OSError):  # a full disk: then they may well be missing for just that
        (folder / "media" / NOT_DRAWN).unlink(missing_ok=True)
        if wrong:
            files.write_whole(folder / "media" / NOT_DRAWN, "".join(f"{line}\n" for line in wrong).encode())
    return drawn


def told(values: Curves) -> tuple[Curves, list[str]]:
    """What the contents of a file of curves say, as far as it fits, and in words what does not: `lag/l0.f is 7`.

    A curve is a list of numbers, as `files.plain_float` writes them; the step is a whole number.
    """
    found: Curves = {}
    for name, value in values.items():
        if name == "step":
            fits, read = type(value) is int, value
        else:
            listed = isinstance(value, list)
            read = list(files.decode({str(at): point for at, point in enumerate(value)}).values()) if listed else None
            fits = read is not None and all(type(point) in (int, float) for point in read)
        if fits:
            found[name] = read
    damage = [f"{name} is {reprlib.repr(value)}" for name, value in values.items() if name not in found]
    return found, damage + ["step is not there"] * ("step" not in values)


def not_drawn(folder: Path) -> list[str]:
    """Which pictures of a run could not be drawn, and why: a line each."""
    path = folder / "media" / NOT_DRAWN
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []


def draw_beside(folder: Path) -> None:
    """Have another process draw a run's pictures, which nobody waits for."""
    try:
        processes.start_beside("rnnkit.runs.plots", str(folder))
    except OSError as error:  # no process or memory is left; the curves are recorded all the same
        print(f"the pictures of {folder.name} are not drawn: {error.strerror or error}", file=sys.stderr)


def panels(title: str, names: Callable[[Curves], list[str]]) -> Callable[[Panel], Picture]:
    """Make a picture of a function that draws one panel: one for each of `names`, which the last curves give."""

    def with_panel(panel: Panel) -> Picture:
        def picture(curves: list[Curves]) -> Any:
            if not (shown := names(curves[-1])):
                return None
            figure, axes = drawing.figure(*SIZE, len(shown))
            figure.suptitle(title)
            for axis, name in zip(axes, shown, strict=True):
                axis.set_title(name)
                panel(axis, name, curves)
            return figure

        PICTURES[panel.__name__] = picture
        return picture

    return with_panel


def places(kind: str) -> Callable[[Curves], list[str]]:
    """The layers and directions that have curves of a kind, whatever else their names say."""
    return lambda curves: list(dict.fromkeys(name.split("/")[1] for name in curves if name.startswith(f"{kind}/")))


def first_and_last(curves: list[Curves]) -> list[Curves]:
    """The curves of the first and of the last evaluation, or of the only one."""
    return [curves[0], *curves[1:][-1:]]


def numbers(points: list[Any]) -> list[float]:
    """A curve's points as floats."""
    return [float(point) for point in points]


@panels("Gradient that is left k steps before the end", places("lag"))
def gradient_by_lag(axis: Any, name: str, curves: list[Curves]) -> None:
    """A heat map of log10 of the gradient that is left, by lag and training step; of one evaluation a curve."""
    rows = np.array([numbers(at[f"lag/{name}"]) for at in curves])
    with np.errstate(divide="ignore"):
        shades = np.clip(np.log10(rows), -8, 1)
    if len(curves) == 1:
        axis.plot(shades[0])
        axis.set(ylim=(-8.2, 1.2), xlabel="lag k (steps)", ylabel="log10 of what is left (or -8)")
        return
    image = axis.imshow(shades, aspect="auto", origin="lower", vmin=-8, vmax=1, cmap="cividis")
    ticks = np.unique(np.linspace(0, len(curves) - 1, 5).astype(int))
    axis.set_yticks(ticks, [str(curves[i]["step"]) for i in ticks])
    axis.set(xlabel="lag k (steps)", ylabel="training step")
    if axis is axis.figure.axes[-1]:  # one bar for all panels
        label = "log10 of what is left (or -8)"
        axis.figure.colorbar(image, ax=axis.figure.axes, label=label)


@panels("How often gates are open and shut, unit by unit", places("left"))
def gate_saturation(axis: Any, name: str, curves: list[Curves]) -> None:
    """Each unit by how often its gate is open and how often shut (Karpathy, Johnson & Fei-Fei, 2015)."""
    for gate, marker in zip("ifozr", "o^sDv", strict=True):
        if f"left/{name}/{gate}" in curves[-1]:
            right, left = (numbers(curves[-1][f"{side}/{name}/{gate}"]) for side in ("right", "left"))
            axis.scatter(right, left, s=12, marker=marker, alpha=0.7, label=gate)
    axis.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel="share of steps above 0.9", ylabel="share below 0.1")
    axis.plot([0, 1], [1, 0], color="grey", linewidth=0.6)
    axis.legend(title="gate")


@panels("How long the gates let units remember", places("timescale"))
def timescales(axis: Any, name: str, curves: list[Curves]) -> None:
    """Histograms of how long units keep their state, at the first and the last evaluation."""
    ends = first_and_last(curves)
    each = [np.array(numbers(at[f"timescale/{name}"])) for at in ends]
    finite = np.concatenate(each)
    finite = finite[np.isfinite(finite) & (finite > 0)]
    if not len(finite):
        return
    low, high = math.floor(np.log10(finite.min())), math.ceil(np.log10(finite.max()) + 1e-9)
    bins = np.logspace(low, max(high, low + 1), 30)
    for at, values, style in zip(ends, each, ("step", "stepfilled")[-len(ends) :], strict=True):
        axis.hist(values, bins=bins, histtype=style, alpha=0.8, label=f"training step {at['step']}")
    axis.set(xscale="log", xlabel="timescale (steps)", ylabel="units")
    axis.locator_params(axis="y", integer=True)
    axis.legend()


@panels("Eigenvalues of a step", places("eigenvalues"))
def eigenvalues(axis: Any, name: str, curves: list[Curves]) -> None:
    """The eigenvalues of W_hh (of gated layers: of a step's mean Jacobian) beside the unit circle."""
    around = np.linspace(0, 2 * np.pi, 200)
    axis.plot(np.cos(around), np.sin(around), color="grey", linewidth=0.8)
    for block in [key for key in curves[-1] if key.startswith(f"eigenvalues/{name}/")]:
        real, imaginary = np.array(numbers(curves[-1][block])).reshape(2, -1)
        axis.scatter(real, imaginary, s=8, label=block.rpartition("/")[2])
    axis.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
    axis.legend(fontsize="small", loc="upper left", bbox_to_anchor=(1, 1))  # in the room that a square leaves


@panels("Hidden states of the watched sequences", places("states"))
def trajectories(axis: Any, name: str, curves: list[Curves]) -> None:
    """Hidden states of some sequences on their first two principal components; the start is a dot."""
    points = np.array(numbers(curves[-1][f"states/{name}"])).reshape(-1, 2)
    lengths = [int(length) for length in curves[-1]["states-lengths"]]
    for way in np.split(points, np.cumsum(lengths)[:-1])[:SEQUENCES]:
        (line,) = axis.plot(way[:, 0], way[:, 1], linewidth=0.9)
        axis.plot(*way[0], "o", markersize=4, color=line.get_color())
    shares = numbers(curves[-1][f"explained/{name}"])
    axis.set_xlabel(f"first component ({shares[0]:.0%} of the variance)")
    axis.set_ylabel(f"second component ({shares[1]:.0%})" if len(shares) > 1 else "second component")


@panels(
    "Loss of the watched sequences",
    lambda last: [name for name, (_, values, _) in LOSSES.items() if len(last.get(values, [])) > 1],
)
def losses(axis: Any, name: str, curves: list[Curves]) -> None:
    """The loss with no more than k inputs, by step of the sequence, and by the sequences' length."""
    at, values, label = LOSSES[name]
    for found in first_and_last(curves):
        y = numbers(found[values])
        x = range(1, len(y) + 1) if at is None else numbers(found[at])
        axis.plot(x, y, marker="o" if at else None, markersize=3, label=f"training step {found['step']}")
    if at:
        axis.set_xscale("log", base=2)
    axis.set(xlabel=label, ylabel="loss")
    axis.legend()


@panels("Two runs from different states, same inputs", places("forgetting"))
def forgetting(axis: Any, name: str, curves: list[Curves]) -> None:
    """How two runs on the same inputs from different states meet: ln of their distance by step."""
    for found in first_and_last(curves):
        axis.plot(numbers(found[f"forgetting/{name}"]), label=f"training step {found['step']}")
    axis.set(xlabel="step of the direction's own time", ylabel="ln of the distance")
    axis.legend()


def picture_files(folder: Path) -> Iterator[Path]:
    """The pictures that a run has."""
    return filter(Path.is_file, (folder / "media" / f"{name}.png" for name in PICTURES))


def main() -> None:
    """Draw the pictures of the run that is named."""
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        sys.exit(0 if "-h" in sys.argv or "--help" in sys.argv else 2)
    drawn = draw(Path(sys.argv[1]))
    if not drawn:
        raise UserError(f"{sys.argv[1]} has no curves: train it with --observe full")
    print("\n".join(map(str, drawn)))


if __name__ == "__main__":
    cli.main(main, settle=False)
