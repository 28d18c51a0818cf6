"""Write a report of a study: one page in one file, to be sent, printed or attached, and its figures as PNG and SVG.

    python -m sweeps.report digits-s0

The page, report.html in the study's folder, needs no network and runs no script. The figures lie in report/ beside it.
"""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

import experiments
from rnnkit.core import RunsOptions, UserError, cli, files, wording, writing
from rnnkit.runs import printing
from sweeps import web
from sweeps.analysis import figures, words
from sweeps.reading import Card, RunIndex, Study, Trial, answers, spans_much, studies


if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Options(RunsOptions):
    """Which study."""

    study: Annotated[str, tyro.conf.Positional]
    """The study's name."""


def question(study: Study) -> list[str]:
    """What the study was to find out, in sentences."""
    about = ""
    if study.experiment in experiments.names():
        about = (importlib.import_module(f"experiments.{study.experiment}").__doc__ or "").split("\n\n")[0]
    better = "lower" if study.lower_is_better else "higher"
    sizes, depths = (", ".join(map(str, several)) for several in (study.space.hidden_sizes, study.space.depths))
    lines = [" ".join(about.split())] if about else []
    lines.append(
        f"Which hidden size and depth does a recurrent network need here, and which cell and settings? Judged by "
        f"{study.metric}, {better} is better. The test part plays no role in the choice."
    )
    if sizes and depths:
        lines.append(f"The plane: every pair of hidden size {sizes} and depth {depths}, other settings fixed.")
    if study.settings:
        lines.append(f"Varied: {', '.join(name.replace('_', ' ') for name in study.settings)}.")
    return lines


def was_run(study: Study, manifest: dict) -> dict[str, str]:
    """What was run, and with what, by name."""
    starts = [t.start for t in study.trials if t.start]
    seed = study.described.seed
    facts = {"trials": answers.how_many(study), "seed of the study": "" if seed is None else str(seed)}
    if study.described.sampler:
        facts["sampler"] = study.described.sampler
    if starts:
        facts["began"] = f"{min(starts):%Y-%m-%d %H:%M} UTC"
    facts["in all"] = words.headline(study.summary)
    varied = {*study.settings, "seed"}
    config = study.described.config
    if config:
        facts["fixed settings"] = wording.settings({k: v for k, v in config.items() if k not in varied})
    for key in ("versions", "machine", "git", "data"):
        if isinstance(values := manifest.get(key), dict):
            there = {name: value for name, value in values.items() if value is not None}
            facts[key] = ", ".join(f"{name} {wording.plain(value)}" for name, value in there.items())
    return facts


def raised(study: Study) -> list[tuple[str, int, list[str]]]:
    """The flags that runs raised: each with how many runs did, and some of them."""
    by_name: dict[str, list[str]] = {}
    for trial in study.trials:
        for name in trial.run.flag_names if trial.run else []:
            by_name.setdefault(name, []).append(f"trial {trial.number}")
    return sorted(((name, len(trials), trials) for name, trials in by_name.items()), key=lambda row: -row[1])


def pictures(study: Study, index: RunIndex) -> dict[str, Callable[["Axes"], str | None]]:
    """What is drawn of a study, by the names of the files."""
    metric, lower_is_better = study.metric, study.lower_is_better
    return {
        "plane": lambda axes: figures.plane(axes, study.plane(), metric, lower_is_better),
        "history": lambda axes: figures.history(axes, study.rows(), metric, lower_is_better),
        "again": lambda axes: figures.confirmations(axes, study.summary.confirmations, metric),
        "importances": lambda axes: figures.importances(axes, study.importances),
        "reported": lambda axes: reported(axes, study),
        "curves": lambda axes: curves(axes, study.best, index),
    }


def reported(axes: "Axes", study: Study) -> str | None:
    """What each trial reported as it went on."""
    trials = [t for t in study.trials if t.reported]
    if not trials:
        return None
    colours = {"finished": figures.BLUE, "pruned": figures.GREY}
    firsts = {trial.state: trial for trial in reversed(trials)}
    for trial in trials:
        look = {"color": colours.get(trial.state, figures.PURPLE), "linewidth": 0.7, "alpha": 0.7}
        label = trial.state if firsts[trial.state] is trial else None
        axes.plot(list(trial.reported), list(trial.reported.values()), **look, label=label)
    best = study.best
    if best and best.reported:
        look = {"color": figures.ORANGE, "linewidth": 2, "label": f"best (trial {best.number})"}
        axes.plot(list(best.reported), list(best.reported.values()), **look)
    axes.set(xlabel="epoch", ylabel=study.metric)
    axes.locator_params(axis="x", integer=True)
    axes.set_title("What trials reported on their way", loc="left")
    axes.legend()
    return "What trials reported on their way."


def curves(axes: "Axes", best: Trial | None, index: RunIndex) -> str | None:
    """The losses of the best trial's run."""
    if best is None or best.run is None:
        return None
    series = index.columns(best.run.name).series
    values: list[float] = []
    looks = (("train", "training", figures.GREY, 0.8), ("valid", "validation", figures.ORANGE, 1.6))
    for split, label, colour, width in looks:
        if f"loss/{split}" in series:
            axes.plot(*series[f"loss/{split}"], color=colour, linewidth=width, label=label)
            values += series[f"loss/{split}"][1]
    if not values:
        return None
    axes.set(xlabel="training step", ylabel="loss", yscale="log" if spans_much(values) else "linear")
    axes.set_title(f"Loss of the best (trial {best.number})", loc="left")
    axes.legend()
    return f"The loss of the best trial's run, {best.run.name}."


def of_answers(study: Study, index: RunIndex) -> list[figures.Figure]:
    """The pictures of what the best trial's run answered, where its experiment draws them."""
    best = study.best
    media = index.media(best.run.name) if best and best.run else {}
    whose = f"of the test part, by the run of trial {best.number if best else ''}"
    shown = {
        "confusion": "Answers over truths",
        "calibration": "Accuracy over confidence",
        "answers": "Answers over truths",
    }
    found = {name: media[f"{name}.png"] for name in shown if f"{name}.png" in media}
    return [figures.Figure(name, f"{shown[name]} {whose}.", png, None) for name, png in found.items()]


def page(study: Study, index: RunIndex, drawn: list[figures.Figure], confirmation_runs: list[Card]) -> str:
    """The report as HTML that holds all of itself."""
    best = study.best
    run = best.run if best else None
    manifest = index.manifest(run.name) if run else {}
    said: dict = {"answer": answers.answer(study)}
    said |= {
        "findings": answers.findings(study),
        "question": question(study),
        "ran": was_run(study, manifest),
        "flags": raised(study),
        "foretold": result.foretold if run and (result := index.result(run.name)) else None,
    }
    again = {"confirmations": study.summary.confirmations, "confirmation_runs": confirmation_runs}
    again["tests"] = words.confirmed_columns(again["confirmations"])
    again |= {"command": manifest.get("command", ""), "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"}
    again["answered"] = index.answer(run.name) if run else ""
    return web.templates().get_template("report.html").render(study=study, figures=drawn, **said, **again)


def write(index: RunIndex, name: str) -> Path:
    """Write the report of a study and its figures into its folder; the page's path."""
    study = studies.read(index, name)
    if not study.trials:
        raise UserError(f"study {name} has no trials yet{f': {study.trouble}' if study.trouble else ''}")
    confirmation_runs = answers.confirmation_runs(index, name)
    with writing(study.folder):
        drawn = figures.draw(pictures(study, index), study.folder / "report", svg=True)
        drawn += of_answers(study, index)
        path = study.folder / "report.html"
        files.write_whole(path, page(study, index, drawn, confirmation_runs).encode())
    return path


def main() -> None:
    """Write the report that the command line names."""
    options = cli.parse(Options, "python -m sweeps.report", sys.argv[1:], __doc__)
    index = RunIndex(options.runs_dir)
    path = write(index, options.study)
    print(f"report:  {printing.shown(path)}")
    print(f"figures: {printing.shown(path.parent / 'report')}")


if __name__ == "__main__":
    cli.main(main, settle=False)
