"""What a study came to: the table hidden size x depth, the best trial, its test score beside the baseline's."""

import re

import optuna
from optuna.trial import FrozenTrial, TrialState

from rnnkit import config as configuration
from rnnkit import mirroring, printing, records
from rnnkit.errors import UserError
from rnnkit.records import Result
from sweeps import study as studies
from sweeps.progress import in_words, outcome, settings_in_words
from sweeps.study import StudyFolder


def write(folder: StudyFolder, study: optuna.Study) -> str:
    """Write summary.md and summary.json into the study's folder, and return what to print."""
    facts = collect(folder, study)
    records.write_json(folder.path / "summary.json", facts)
    text = markdown(folder, study, facts)
    records.write_whole(folder.path / "summary.md", text.encode())
    return short(folder, facts)


def collect(folder: StudyFolder, study: optuna.Study) -> dict:
    """The study in numbers, as plain values."""
    trials = [t for t in study.get_trials(deepcopy=False) if "point" in t.user_attrs]
    complete = [t for t in trials if t.state == TrialState.COMPLETE]
    ended = [t for t in trials if t.state.is_finished() and studies.has_ended([t])]
    best = folder.space.best(complete)
    starts = [t.datetime_start for t in ended if t.datetime_start]
    return {
        "study": folder.name,
        "experiment": folder.base.experiment,
        "metric": folder.space.metric,
        "trials": {
            "ended": len(ended),
            "finished": len(complete),
            "pruned": sum(t.state == TrialState.PRUNED for t in ended),
            "failed": sum(t.state == TrialState.FAIL for t in ended),
        },
        "minutes": (max(t.datetime_complete for t in ended) - min(starts)).total_seconds() / 60 if starts else 0.0,
        "plane": plane(folder, trials),
        "best": describe(folder, best) if best else None,
        "unread": unread(folder, complete),
    }


def plane(folder: StudyFolder, trials: list[FrozenTrial]) -> list[dict]:
    """A cell for each point of the plane: its size and depth, value (None where not finished), parameter count."""
    values = {t.user_attrs["point"]: t for t in trials if t.state == TrialState.COMPLETE}
    cells = []
    for point, settings in enumerate(folder.space.plane()):
        trial = values.get(point)
        result = run_result(folder, trial) if trial else None
        cells.append(
            {
                "hidden_size": settings["hidden_size"],
                "depth": settings["depth"],
                "value": trial.value if trial else None,
                "parameters": result.parameters if result else None,
            }
        )
    return cells


def run_result(folder: StudyFolder, trial: FrozenTrial) -> Result | None:
    """The result of a trial's run; None where its folder is not there any more, or it is damaged."""
    try:
        return Result.read(folder.base.runs_dir / trial.user_attrs["run"])
    except UserError:  # said by unread()
        return None


def unread(folder: StudyFolder, trials: list[FrozenTrial]) -> list[str]:
    """A line for each run of `trials` whose result is damaged."""
    lines = []
    for trial in trials:
        try:
            Result.read(folder.base.runs_dir / trial.user_attrs["run"])
        except UserError as error:
            lines.append(f"trial {trial.number} is shown without its run: {error}")
    return lines


def describe(folder: StudyFolder, trial: FrozenTrial) -> dict:
    """A finished trial: its settings, scores, run, and the commands that show more."""
    config = folder.config(trial.user_attrs["point"], trial.params)
    result = run_result(folder, trial)
    return {
        "trial": trial.number,
        "value": trial.value,
        "settings": trial.params,
        "run": trial.user_attrs["run"],
        "command": configuration.command(config),
        "parameters": result.parameters if result else None,
        "test": {k: v for k, v in result.metrics.items() if re.fullmatch("metric/.*/test", k)} if result else {},
        "comparison": result.comparison if result else None,
        "references": result.references if result else None,
    }


def table(facts: dict) -> list[list[str]]:
    """The plane as rows of text: hidden sizes down, depths across, each value with its parameter count."""
    depths = sorted({cell["depth"] for cell in facts["plane"]})
    rows = [["hidden size", *(f"depth {depth}" for depth in depths)]]
    for size in sorted({cell["hidden_size"] for cell in facts["plane"]}):
        row = [c for depth in depths for c in facts["plane"] if (c["hidden_size"], c["depth"]) == (size, depth)]
        rows.append([str(size), *map(_cell, row)])
    return rows


def _cell(cell: dict) -> str:
    if cell["value"] is None:
        return "-"
    count = "" if cell["parameters"] is None else f" ({cell['parameters']:,})"
    return f"{cell['value']:.4f}{count}"


def short(folder: StudyFolder, facts: dict) -> str:
    """What is printed at the end of a sweep."""
    rows = table(facts)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["", headline(facts), ""]
    lines.append(f"{in_words(facts['metric'])} by hidden size and depth (and how many parameters):")
    lines += ["  " + "   ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows]
    best = facts["best"]
    if best is None:
        return "\n".join([*lines, "", f"no trial finished: see {printing.shown(folder.path)}"])
    lines += ["", best_in_words(facts), *(f"  {line}" for line in test_in_words(best)), *facts["unread"]]
    lines += ["", "look further:"]
    lines += [f"  {what + ':':<24} {command}" for command, what in next_commands(folder, best)]
    return "\n".join(lines)


def headline(facts: dict) -> str:
    """The study in one line."""
    counts = facts["trials"]
    return (
        f"study {facts['study']}: {counts['ended']} trials in {facts['minutes']:.1f} minutes "
        f"({counts['finished']} finished, {counts['pruned']} pruned, {counts['failed']} failed)"
    )


def best_in_words(facts: dict) -> str:
    """The best trial in one line."""
    best = facts["best"]
    settings = settings_in_words(best["settings"])
    return f"best: trial {best['trial']}, {in_words(facts['metric'])} {best['value']:.4f} ({settings})"


def test_in_words(best: dict) -> list[str]:
    """The best trial's scores on the test part, the baseline's beside them."""
    lines = [f"{in_words(name)} {value:.4f}" for name, value in best["test"].items()]
    lines += [printing.reference_in_words(reference) for reference in best["references"] or []]
    if best["comparison"]:
        lines.append(printing.comparison_in_words(best["comparison"]))
    return lines


def next_commands(folder: StudyFolder, best: dict) -> list[tuple[str, str]]:
    """Commands that show more, each with what it shows."""
    run = folder.base.runs_dir / best["run"]
    words = best["command"].split(" ", 3)
    flags = words[3] if len(words) > 3 else ""
    state = mirroring.state(run)
    commands = [(f'make train EXPERIMENT={folder.base.experiment} ARGS="{flags}"', "train the best again")]
    if state.get("mode") == "offline":
        commands.append((printing.leet(run / state["folder"]), "see its curves"))
        commands.append((printing.sync_command(folder.base.runs_dir), "send all to W&B"))
    elif state.get("url"):
        commands.append((state["url"], "see its curves"))
    commands.append((f"less {printing.shown(folder.path / 'summary.md')}", "read about all trials"))
    return commands


def markdown(folder: StudyFolder, study: optuna.Study, facts: dict) -> str:
    """The study as a Markdown page: the table, the best trial, every trial."""
    header, *rows = table(facts)
    lines = [f"# Study {folder.name}", "", f"{headline(facts).capitalize()}.", ""]
    lines += [f"## {in_words(facts['metric']).capitalize()} by hidden size and depth", ""]
    lines += ["In brackets: the number of parameters.", "", *_markdown_table(header, rows), ""]
    best = facts["best"]
    if best:
        lines += ["## Best trial", "", f"{best_in_words(facts).capitalize()}.", ""]
        lines += [f"- {line}" for line in test_in_words(best)]
        lines += ["", "Chosen on the validation part; the test part played no role in it. Again:", ""]
        lines += [f"    {best['command']}", ""]
    lines += ["## Trials", ""]
    lines += [*(f"- {line}" for line in facts["unread"]), ""] if facts["unread"] else []
    header = ["trial", in_words(facts["metric"]), "settings", "run"]
    rows = [
        [
            str(trial.number),
            outcome(trial),
            settings_in_words(trial.params),
            trial.user_attrs.get("run", ""),
        ]
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished()
    ]
    return "\n".join([*lines, *_markdown_table(header, rows), ""])


def _markdown_table(header: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [header, ["---"] * len(header), *rows]]
