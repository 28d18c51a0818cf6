"""Figures of a study for paper, by matplotlib: each as PNG and SVG, in colours that colour-blind readers tell apart."""

import base64
import math
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core.wording import capital
from sweeps.reading import describe
from sweeps.reading.run_index import RunIndex
from sweeps.reading.sections import spans_much
from sweeps.reading.studies import Study


# Okabe and Ito's colours.
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#777777"
MARKS = {"finished": ("o", BLUE), "pruned": ("x", GREY), "diverged": ("^", PURPLE)}
STYLE = {"font.size": 9, "axes.grid": True, "grid.color": "#dddddd", "axes.axisbelow": True, "legend.fontsize": 8}
STYLE |= {
    "axes.titlesize": 10,
    "svg.fonttype": "path",
    "svg.hashsalt": "rnnkit",
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class Figure:
    """A figure that was drawn: what it shows, and its files."""

    name: str
    caption: str
    png: Path
    svg: Path

    @property
    def source(self) -> str:
        """The figure as an address that a page can hold in itself."""
        return f"data:image/svg+xml;base64,{base64.b64encode(self.svg.read_bytes()).decode()}"


def draw(study: Study, index: RunIndex, folder: Path) -> list[Figure]:
    """Draw all figures that there is something for into a folder; those of before go."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    folder.mkdir(exist_ok=True)
    for path in (*folder.glob("*.png"), *folder.glob("*.svg")):
        path.unlink()
    found = []
    with matplotlib.rc_context(STYLE):
        for picture in (plane, history, again, importances, reported, curves):
            canvas = Canvas(figsize=(5.6, 3.5), layout="constrained")
            caption = picture(canvas.subplots(), study, index)
            if caption is None:
                continue
            name = picture.__name__
            png, svg = folder / f"{name}.png", folder / f"{name}.svg"
            canvas.savefig(png, dpi=200, metadata={"Software": None})
            canvas.savefig(svg, metadata={"Date": None})
            found.append(Figure(name, caption, png, svg))
    return found


def plane(axes, study: Study, _: RunIndex) -> str | None:
    """The mean value by hidden size and depth, with the spread over seeds and the parameters."""
    cells = [cell for cell in study.plane() if cell.values]
    if len(cells) < 2:
        return None
    sizes = list(dict.fromkeys(cell.hidden_size for cell in study.plane()))
    depths = list(dict.fromkeys(cell.depth for cell in study.plane()))
    values = [[math.nan] * len(depths) for _ in sizes]
    for cell in cells:
        values[sizes.index(cell.hidden_size)][depths.index(cell.depth)] = cell.mean
    image = axes.imshow(values, aspect="auto", origin="lower", cmap="cividis_r" if study.lower_is_better else "cividis")
    low, high = image.get_clim()
    for cell in cells:
        dark = (cell.mean < (low + high) / 2) != study.lower_is_better
        count = f"\n{cell.parameters:,}" if cell.parameters else ""
        place = depths.index(cell.depth), sizes.index(cell.hidden_size)
        axes.annotate(
            f"{cell.mean:.4f}{count}", place, ha="center", va="center", color="w" if dark else "k", fontsize=8
        )
    axes.grid(False)
    axes.set(xticks=range(len(depths)), xticklabels=depths, yticks=range(len(sizes)), yticklabels=sizes)
    axes.set(xlabel="depth (layers)", ylabel="hidden size (units)")
    axes.set_title("Hidden size and depth, other settings fixed", loc="left")
    axes.figure.colorbar(image, label=study.metric)
    return f"{capital(study.metric)} by hidden size and depth, other settings fixed; below it, how many parameters."


def history(axes, study: Study, _: RunIndex) -> str | None:
    """Each trial's value by its number, and the best so far."""
    finished = sorted((t for t in study.of_state("finished") if t.value is not None), key=lambda trial: trial.number)
    if not finished:
        return None
    for state, (mark, colour) in MARKS.items():
        trials = [t for t in study.of_state(state) if t.value is not None and math.isfinite(t.value)]
        if trials:
            values = [t.value for t in trials]
            axes.plot([t.number for t in trials], values, mark, color=colour, markersize=4, label=state)
    pick, best = (min if study.lower_is_better else max), []
    for trial in finished:
        best.append(pick([*best[-1:], trial.value]))
    axes.step([t.number for t in finished], best, where="post", color=ORANGE, label="best so far")
    axes.set(xlabel="trial", ylabel=study.metric)
    axes.set_title("History of trials", loc="left")
    axes.legend()
    return "The value of each trial, and the best so far; of a pruned trial, the last value before its end."


def again(axes, study: Study, _: RunIndex) -> str | None:
    """What was run again on fresh seeds: each value, their mean and its interval, and what it was found with."""
    rows = describe.confirmed(study)
    if not rows:
        return None
    for place, row in enumerate(rows):
        values = row.get("values")
        seeds = list(values.values()) if isinstance(values, dict) else []
        label = (lambda text: text) if place == 0 else (lambda text: None)
        axes.plot(seeds, [place] * len(seeds), "o", color=BLUE, markersize=4, alpha=0.7, label=label("fresh seeds"))
        axes.plot(row["found"], place, "x", color=ORANGE, label=label("found with"))
        if describe.confirmation_interval(row):
            reach = [[row["mean"] - row["low"]], [row["high"] - row["mean"]]]
            axes.errorbar(row["mean"], place, xerr=reach, fmt="|", color="k", capsize=4, label=label("mean, 95 %"))
    axes.set(yticks=range(len(rows)), yticklabels=[f"trial {row['trial']}" for row in rows], xlabel=study.metric)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_title("The best again, on fresh seeds", loc="left")
    axes.legend()
    return (
        "The best settings again on fresh seeds, with 95 % intervals of the mean, beside the value each was found with."
    )


def importances(axes, study: Study, _: RunIndex) -> str | None:
    """How much of the spread of values each setting accounts for."""
    if not study.importances:
        return None
    order = sorted(study.importances.items(), key=lambda item: item[1])
    axes.barh([name.replace("_", " ") for name, _ in order], [share for _, share in order], color=BLUE)
    axes.set(xlabel="importance (shares of 1)", ylabel="setting")
    axes.set_title("What mattered", loc="left")
    return "What the value varied with over finished trials (PED-ANOVA, unless the study's summary says another)."


def reported(axes, study: Study, _: RunIndex) -> str | None:
    """What each trial reported as it went on."""
    trials = [t for t in study.trials if t.reported]
    if not trials:
        return None
    named = set()
    for trial in trials:
        colour = MARKS.get(trial.state, ("", PURPLE))[1]
        label = trial.state if trial.state not in named else None
        named.add(trial.state)
        look = {"color": colour, "linewidth": 0.7, "alpha": 0.7, "label": label}
        axes.plot(list(trial.reported), list(trial.reported.values()), **look)
    best = describe.chosen(study)
    if best and best.reported:
        x, y = list(best.reported), list(best.reported.values())
        axes.plot(x, y, color=ORANGE, linewidth=2, label=f"best (trial {best.number})")
    axes.set(xlabel="epoch", ylabel=study.metric)
    axes.set_title("What trials reported on their way", loc="left")
    axes.legend()
    return "What trials reported on their way."


def curves(axes, study: Study, index: RunIndex) -> str | None:
    """The losses of the best trial's run."""
    best = describe.chosen(study)
    if best is None or best.run is None:
        return None
    series = index.columns(best.run.name).series
    drawn: list[float] = []
    for metric, label, colour in (("loss/train", "training", GREY), ("loss/valid", "validation", ORANGE)):
        if metric in series:
            axes.plot(*series[metric], color=colour, linewidth=0.8 if metric == "loss/train" else 1.6, label=label)
            drawn += series[metric][1]
    axes.set(xlabel="training step", ylabel="loss", yscale="log" if spans_much(drawn) else "linear")
    axes.set_title(f"Loss of the best (trial {best.number})", loc="left")
    axes.legend()
    return f"The loss of the best trial's run, {best.run.name}." if drawn else None
