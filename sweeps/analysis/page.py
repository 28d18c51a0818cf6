"""A study's answer in words, from its `Summary`: the page summary.md, and what is printed."""

from pathlib import Path

from rnnkit.core import wording
from rnnkit.runs import mirror_client, printing
from sweeps.analysis import front, grid, words
from sweeps.analysis.facts import Best, GridCell, Summary
from sweeps.analysis.plane import how_many_runs
from sweeps.study import StudyFolder


def short(folder: StudyFolder, summary: Summary) -> str:
    """What is printed at the end of a sweep."""
    lines = ["", words.headline(summary)]
    if has_plane(summary):
        lines += ["", f"{plane_title(summary)} (how many parameters):"]
        lines += [f"  {line}" for line in aligned(plane_table(summary))]
    for heading, table in own_tables(summary):
        lines += ["", f"{heading}:", *(f"  {line}" for line in aligned(table))]
    best = summary.best
    if best is None:
        lines += ["", *words.nothing_in_words(summary), f"see {printing.shown(folder.path / 'summary.md')}"]
        return "\n".join(lines)
    if summary.confirmations:
        lines += ["", f"{words.best_again(summary)}, on fresh seeds (means, 95 % interval over seeds):"]
        lines += [f"  {line}" for line in aligned(confirmations_table(summary))]
    lines += ["", words.best_in_words(summary, best), *(f"  {line}" for line in words.test_in_words(summary, best))]
    lines += ["", *summary.supported, *summary.not_supported, *summary.borders, *summary.unread]
    if summary.importances:
        lines += [words.importances_in_words(summary)]
    lines += ["", "look further:"]
    lines += [f"  {what + ':':<24} {command}" for command, what in next_commands(folder, best, summary)]
    return "\n".join(lines)


def plane_title(summary: Summary) -> str:
    """What the table of the plane shows, and of how many runs."""
    lacking = "" if all(cell.values for cell in summary.plane) else ", - where no run finished"
    return f"{wording.metric(summary.metric)} by hidden size and depth, {how_many_runs(summary.plane)}{lacking}"


def aligned(rows: list[list[str]]) -> list[str]:
    """A table as lines, its columns aligned to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["   ".join(text.rjust(width) for text, width in zip(row, widths, strict=True)) for row in rows]


def has_plane(summary: Summary) -> bool:
    """Whether points of the plane have finished: in a random study there are none."""
    return any(cell.value is not None for cell in summary.plane)


def own_tables(summary: Summary) -> list[tuple[str, list[list[str]]]]:
    """Tables that only some studies have, each with its heading: a grid of one's own, the front of score and size."""
    tables: list[tuple[str, list[list[str]]]] = []
    if summary.points:
        heading = f"{wording.metric(summary.metric)} by point of the grid, {how_many_runs(summary.points)}"
        tables.append((heading, grid.table(summary.points, summary.metric)))
    if summary.front:
        tables.append((front.heading(summary.front, summary.metric), front.table(summary.front, summary.metric)))
    return tables


def plane_table(summary: Summary) -> list[list[str]]:
    """The plane as rows of text: hidden sizes down, depths across, each value with its parameter count."""
    depths = sorted({cell.depth for cell in summary.plane})
    rows = [["hidden size", *(f"depth {depth}" for depth in depths)]]
    for size in sorted({cell.hidden_size for cell in summary.plane}):
        row = [c for depth in depths for c in summary.plane if (c.hidden_size, c.depth) == (size, depth)]
        rows.append([str(size), *map(_cell, row)])
    return rows


def _cell(cell: GridCell) -> str:
    if cell.value is None:
        return "-"
    spread = "" if cell.spread is None else f" ± {wording.number(cell.spread)}"
    return f"{wording.number(cell.value)}{spread}" + ("" if cell.parameters is None else f" ({cell.parameters:,})")


def confirmations_table(summary: Summary) -> list[list[str]]:
    """What was run again: found with, means on fresh seeds, interval, parameters."""
    tests = words.confirmed_columns(summary.confirmations)
    beside = [*map(wording.metric, tests), "parameters"]
    rows = [["trial", "found with", "on fresh seeds", "95 % interval", "seeds", *beside]]
    for row in summary.confirmations:
        scores = [f"{wording.number(row.test[name].mean)}" for name in tests]
        count = "-" if row.parameters is None else f"{row.parameters:,}"
        means = (
            f"{wording.number(row.found)}",
            f"{wording.number(row.mean)}",
            words.interval_or_why(row),
            str(row.count),
        )
        rows.append([str(row.trial), *means, *scores, count])
    return rows


def next_commands(folder: StudyFolder, best: Best, summary: Summary) -> list[tuple[str, str]]:
    """Commands that show more, each with what it shows."""
    run = folder.base.runs_dir / best.run
    parts = best.command.split(" ", 3)
    flags = parts[3] if len(parts) > 3 else ""
    commands = [(f'make train EXPERIMENT={folder.base.experiment} ARGS="{flags}"', "train the best again")]
    commands.append((f"make show {printing.make_word(run)}", "see its curves"))
    commands.append((printing.make_command("dashboard", folder.base.runs_dir), "see all in a browser"))
    if (run / "answer.txt").exists():
        commands.append((f"less {printing.shown(run / 'answer.txt')}", "read its scores in detail"))
        commands.append((f"make predict {printing.make_word(run)} DATA=FILE", "use it on new data"))
    state = mirror_client.state(run)
    if not state:  # its copy is still to come: that of another trial says where it goes
        others = (mirror_client.state(folder.base.runs_dir / row.run) for row in summary.rows if row.run)
        state = {"mode": next((other["mode"] for other in others if "mode" in other), "")}
    if state.get("mode") == "offline":
        commands.append((printing.make_command("sync", folder.base.runs_dir), "send all to W&B"))
    elif state.get("url"):
        commands.append((state["url"], "see it at W&B"))
    commands.append((f"less {printing.shown(folder.path / 'summary.md')}", "read about all trials"))
    return commands


def markdown(summary: Summary, figures: Path) -> str:
    """The study as a Markdown page: what came out and how sure it is, the tables, the figures, every trial."""
    lines = [f"# Study {summary.study}", "", f"{wording.capital(words.headline(summary))}.", ""]
    best = summary.best
    if best:
        lines += ["## Answer", "", f"{wording.capital(words.best_in_words(summary, best))}.", ""]
        lines += [f"- {wording.capital(line)}" for line in words.test_in_words(summary, best)]
        lines += ["", "Chosen on the validation part; the test part played no role in it."]
        lines += [f"The run of trial {best.trial} is trained again by", "", f"    {best.command}", ""]
        for part in ("supported", "not_supported", "borders"):
            lines += section(words.HEADINGS[part], getattr(summary, part))
    else:
        lines += [f"{wording.capital(line)}." for line in words.nothing_in_words(summary)] + [""]
    if summary.confirmations:
        lines += [f"## {wording.capital(words.best_again(summary))}, on fresh seeds", ""]
        lines += ["The seeds are the same for all of them; all but what each was found with are means over these runs."]
        lines += ["Intervals are of 95 %, over seeds, by Student's t within what the metric can be.", ""]
        lines += [*_table(confirmations_table(summary)), ""]
        lines += [*(f"- Trial {row.trial}: {words.runs_in_words(row.runs)}" for row in summary.confirmations), ""]
    if has_plane(summary):
        lines += [f"## {wording.capital(plane_title(summary))}", ""]
        lines += ["In brackets: the number of parameters. After ±: the standard deviation between seeds.", ""]
        lines += [*_table(plane_table(summary)), ""]
    for heading, table in own_tables(summary):
        lines += [f"## {wording.capital(heading)}", "", *_table(table), ""]
    if summary.importances:
        lines += ["## Importances", "", f"{wording.capital(words.importances_in_words(summary))}.", ""]
    for path in sorted(figures.glob("*.png")):
        lines += [f"![{path.stem.replace('-', ' ')}](figures/{path.name})", ""]
    lines += ["## Trials", "", summary.timing, ""]
    lines += [*(f"- {line}" for line in summary.unread), ""] if summary.unread else []
    return "\n".join([*lines, *_table(trials_table(summary)), ""])


def section(title: str, sentences: list[str]) -> list[str]:
    """A heading over sentences; nothing where there are none."""
    return [f"## {title}", "", *(f"- {line}" for line in sentences), ""] if sentences else []


def trials_table(summary: Summary) -> list[list[str]]:
    """All trials that have ended."""
    rows = [["trial", wording.metric(summary.metric), "settings", "parameters", "took", "run"]]
    for trial in summary.rows:
        size = "" if trial.parameters is None else f"{trial.parameters:,}"
        row = [
            str(trial.trial),
            words.value_in_words(trial),
            wording.settings(trial.settings),
            size,
            wording.seconds(trial.seconds),
            trial.run or "",
        ]
        rows.append([text.replace("|", "/").replace("\n", " ") for text in row])
    return rows


def _table(rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]]]
