"""Write a report of a study: one page in one file, to be sent, printed or attached, and its figures as PNG and SVG.

    python -m sweeps.report digits-s0

The page, report.html in the study's folder, needs no network and runs no script. The figures lie in report/ beside it.
"""

import importlib
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import tyro

import experiments
from rnnkit.core import cli, files
from rnnkit.core.errors import UserError, writing
from rnnkit.core.wording import number, plain, seconds, settings_in_words
from rnnkit.runs import printing
from sweeps.reading import describe, studies
from sweeps.reading.run_index import Card, RunIndex
from sweeps.reading.studies import Study
from sweeps.web import figures


PAGES = Path(__file__).parent / "web" / "pages"


@dataclass(frozen=True)
class Options:
    """Which study."""

    study: Annotated[str, tyro.conf.Positional]
    """The study's name."""
    runs_dir: Path = Path("runs")
    """Folder that holds the runs and, under studies/, the study."""


def question(study: Study) -> list[str]:
    """What the study was to find out, in sentences."""
    about = ""
    if study.experiment in experiments.NAMES:
        about = (importlib.import_module(f"experiments.{study.experiment}").__doc__ or "").split("\n\n")[0]
    better = "lower" if study.lower_is_better else "higher"
    sizes, depths = (", ".join(map(str, study.space.get(key) or [])) for key in ("hidden_sizes", "depths"))
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
    ends = [t.end for t in study.trials if t.end]
    spent = [t.run.seconds for t in study.trials if t.run and t.run.seconds is not None]
    found = {"trials": describe.how_many(study), "seed of the study": str(study.described.get("seed", ""))}
    if isinstance(study.described.get("sampler"), str):
        found["sampler"] = study.described["sampler"]
    if starts and ends:
        found["time"] = f"{min(starts):%Y-%m-%d %H:%M} UTC, {seconds((max(ends) - min(starts)).total_seconds())}"
    found["training in all"] = seconds(sum(spent))
    varied = {*study.settings, "seed"}
    config = study.described.get("config")
    if isinstance(config, dict):
        found["fixed settings"] = settings_in_words({k: v for k, v in config.items() if k not in varied})
    for key in ("versions", "machine", "git", "data"):
        values = manifest.get(key)
        if isinstance(values, dict):
            found[key] = ", ".join(f"{name} {plain(value)}" for name, value in values.items() if value is not None)
    return found


def raised(study: Study) -> list[tuple[str, int, list[str]]]:
    """The flags that runs raised: each with how many runs did, and some of them."""
    by_name: dict[str, list[str]] = {}
    for trial in study.trials:
        for name in trial.run.flag_names if trial.run else []:
            by_name.setdefault(name, []).append(f"trial {trial.number}")
    return sorted(((name, len(trials), trials) for name, trials in by_name.items()), key=lambda row: -row[1])


def page(study: Study, index: RunIndex, drawn: list[figures.Figure], again: list[Card]) -> str:
    """The report as HTML that holds all of itself."""
    import jinja2

    loader = jinja2.FileSystemLoader(PAGES)
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    templates.filters |= {"number": number, "settings": settings_in_words, "interval": describe.confirmation_interval}
    templates.filters |= {"seconds": seconds}
    best = describe.chosen(study)
    run = best.run if best else None
    manifest = index.manifest(run.name) if run else {}
    return templates.get_template("report.html").render(
        study=study,
        question=question(study),
        ran=was_run(study, manifest),
        answer=describe.answer(study, index.result(run.name) if run else {}),
        findings=describe.findings(study),
        confirmed=describe.confirmed(study),
        figures=drawn,
        flags=raised(study),
        command=manifest.get("command", ""),
        again=again,
        made=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def write(index: RunIndex, name: str) -> Path:
    """Write the report of a study and its figures into its folder; the page's path."""
    study = studies.read(index, name)
    if not study.trials:
        raise UserError(f"study {name} has no trials yet{f': {study.trouble}' if study.trouble else ''}")
    again = describe.again(index, name)
    with writing(study.folder):
        drawn = figures.draw(study, index, study.folder / "report")
        path = study.folder / "report.html"
        files.write_whole(path, page(study, index, drawn, again).encode())
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
