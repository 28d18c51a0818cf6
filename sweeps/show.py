"""Show one run or one study in the terminal: how it went, with curves in a line, and what is wrong in words.

python -m sweeps.show digits-s0-62719430
python -m sweeps.show digits-s0-62719430 --all
python -m sweeps.show digits-s0                  # a study
"""

import itertools
import math
import sys
import textwrap
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from rnnkit.core import RunsOptions, UserError, cli, terminal, wording
from rnnkit.runs import folders, plots, printing
from sweeps.analysis import words
from sweeps.reading import Columns, RunIndex, answers, describe, plain, sections, studies
from sweeps.runs import table


BLOCKS = "▁▂▃▄▅▆▇█"
ASCII = "_.-=+*%#"  # the same, where the terminal has no blocks
WIDTH = 40  # characters of a curve
# The charts that are shown unless all are asked for, beside those of scores.
USUAL = {"loss", "gradient", "clip", "horizon", "context"}  # a screen: not what each layer and gate has


@dataclass(frozen=True)
class Options(RunsOptions):
    """What is shown."""

    name: Annotated[str, tyro.conf.Positional]
    """The run or the study: its name; a run's folder or its id at Weights & Biases will do as well."""
    all: bool = False
    """All that was logged, and not only what is looked at first."""
    json: bool = False
    """The same as JSON, with every digit; with --all also each value that was logged."""


def sparkline(values: list[float], width: int = WIDTH, log: bool = False) -> str:
    """A curve in a line of at most `width` blocks, each the mean of its stretch; `x` where nothing is finite."""
    values = [math.log(v) if v > 0 else math.nan for v in values] if log else values
    count = min(width, len(values))
    stretches = [values[i * len(values) // count : (i + 1) * len(values) // count] for i in range(count)]
    means = [sum(f) / len(f) if (f := [v for v in s if math.isfinite(v)]) else math.nan for s in stretches]
    finite = [mean for mean in means if math.isfinite(mean)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    scale = (len(BLOCKS) - 1) / (high - low) if high > low else 0.0
    return "".join(BLOCKS[round((m - low) * scale)] if math.isfinite(m) else "x" for m in means)


def curves(columns: Columns, everything: bool) -> list[str]:
    """What was logged, section by section: a line for each metric, with its first, lowest, highest and last value."""
    lines = []
    for section, charts in sections.arranged(columns.series):
        rows = []
        for chart in charts:
            if everything or chart.key in USUAL or chart.key.startswith("metric-"):
                series = {metric: columns.series[metric][1] for metric in chart.curves.values()}
                log = sections.is_log(chart, itertools.chain(*series.values()))
                rows += [_curve(metric, values, log) for metric, values in series.items()]
        if rows:
            header = (section.title, "", "first", "lowest", "highest", "last")
            lines += ["", *table(header, rows, header[2:])]
    return lines


def _curve(metric: str, values: list[float], log: bool) -> tuple[str, ...]:
    finite = [value for value in values if math.isfinite(value)] or [math.nan]
    if len(values) == 1:  # no curve
        return (metric, "", "", "", "", wording.number(values[0]))
    ends = (values[0], min(finite), max(finite), values[-1])
    return (metric, sparkline(values, log=log), *map(wording.number, ends))


def of_run(index: RunIndex, name: str, everything: bool) -> list[str]:
    """A run in lines."""
    details = describe.details(index, name)
    card = details.card
    parts = [f"{name}: {card.state}", f"{card.step} steps" if card.step else "", wording.seconds(card.seconds)]
    parts += [f"{card.parameters:,} parameters" if card.parameters else "", f"seed {card.seed}"]
    parts.append(f"trial {card.trial} of study {card.study}" if card.study else "")
    lines = [", ".join(part for part in parts if part)]
    lines += [f"  {text}" for text in (card.reason, card.trouble) if text]
    lines += [f"  {name}: {wording.number(value)}" for name, value in details.scores]
    lines += [f"  {line}" for line in details.beside]
    lines += [f"  flag: {flag}" for flag in details.flags]
    lines += [f"  foretold {details.foretold}"] if details.foretold else []
    lines += [f"  {line}" for line in plots.not_drawn(card.folder)]
    if details.damaged:
        lines.append(f"  {details.damaged} damaged rows of metrics.jsonl are left out")
    lines += curves(index.columns(name), everything)
    lines += ["", *textwrap.wrap(f"settings: {wording.settings(card.config)}", 110, subsequent_indent=" " * 10)]
    lines += [f"again:    make reproduce RUN={name}", f"record:   {printing.shown(card.folder)}"]
    if not everything:
        lines.append("all that was logged: --all; the same in a browser: make dashboard")
    return lines


def of_study(index: RunIndex, name: str) -> list[str]:
    """A study in lines: its answer, what mattered, and its trials, the best first."""
    study = studies.read(index, name)
    lines = [f"study {name}: {study.experiment}, {answers.how_many(study)}"]
    lines += [f"  {text}" for text in [study.trouble or "", *answers.answer(study)] if text]
    if study.importances:
        lines.append(f"  {words.importances_in_words(study.summary)}")
    sign = 1 if study.lower_is_better else -1
    value = lambda trial: math.inf if trial.value is None else sign * trial.value
    rows = []
    for trial in sorted(study.trials, key=lambda trial: (trial.state != "finished", value(trial), trial.number)):
        way = sparkline(list(trial.reported.values()), 12)
        chosen = (wording.plain(trial.settings[name]) if name in trial.settings else "" for name in study.settings)
        run, flags = (trial.run.name, ", ".join(trial.run.flag_names)) if trial.run else ("", "")
        ends = str(trial.number), trial.state, wording.number(trial.value)
        rows.append((*ends, way, *chosen, run, trial.reason or flags))
    settings = [name.replace("_", " ") for name in study.settings]
    header = ("trial", "state", study.metric, "on its way", *settings, "run", "flags")
    return [*lines, "", *table(header, rows, ("trial", study.metric, *settings))]


def facts_of_run(index: RunIndex, name: str, everything: bool) -> dict[str, Any]:
    """A run as JSON holds it: its manifest and result; with `everything`, each value that was logged, by its step."""
    card, columns = index.run(name), index.columns(name)
    facts = {"format": 1, "kind": "run", "name": name, "state": card.state, "trouble": card.trouble}
    facts |= {"metric": card.metric, "value": card.value, "test": card.test, "damaged_rows": columns.damaged}
    facts |= {"manifest": index.manifest(name), "result": index.result(name)}
    if everything:
        series = columns.series.items()
        facts["logged"] = {key: {"steps": steps, "values": values} for key, (steps, values) in series}
    return facts


def facts_of_study(index: RunIndex, name: str) -> dict[str, Any]:
    """A study as JSON holds it: its trials, and its summary as in summary.json."""
    study = studies.read(index, name)
    said = {"answer": answers.answer(study), "findings": answers.findings(study), "trouble": study.trouble}
    return {
        "format": 1,
        "kind": "study",
        "name": name,
        **said,
        "summary": study.summary.as_dict(),
        "trials": study.trials,
    }


def main() -> None:
    """Print the run or the study that the command line names."""
    options = cli.parse(Options, "python -m sweeps.show", sys.argv[1:], __doc__)
    index = RunIndex(options.runs_dir)
    try:
        folder = folders.find(options.name, options.runs_dir)
    except UserError:
        if options.name not in index.studies():
            close = wording.meant(options.name, [*(card.name for card in index.runs()), *index.studies()])
            looked = f"(looked in {options.runs_dir})"
            raise UserError(f"there is no run and no study {options.name} {looked}{close}") from None
        if options.json:
            print(plain.as_json(facts_of_study(index, options.name)))
            return
        lines = of_study(index, options.name)
    else:
        if folder.resolve().parent != index.root:
            index = RunIndex(folder.resolve().parent)
        if options.json:
            print(plain.as_json(facts_of_run(index, folder.resolve().name, options.all)))
            return
        lines = of_run(index, folder.resolve().name, options.all)
    if not terminal.can_show(BLOCKS):
        lines = [line.translate(str.maketrans(BLOCKS, ASCII)) for line in lines]
    print("\n".join(map(wording.printable, lines)))


if __name__ == "__main__":
    cli.main(main, settle=False, prints=True)
