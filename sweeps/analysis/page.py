"""A study's answer in words, from its `Summary`: the page summary.md, and what is printed."""

from pathlib import Path

from rnnkit.core import wording
from rnnkit.runs import mirror_client, printing
from sweeps.analysis import front, grid
from sweeps.analysis.facts import Best, GridCell, Summary
from sweeps.study import StudyFolder


def short(folder: StudyFolder, summary: Summary) -> str:
    """What is printed at the end of a sweep."""
    lines = ["", headline(summary)]
    if has_plane(summary):
        lines += ["", f"{wording.metric(summary.metric)} by hidden size and depth (how many parameters):"]
        lines += [f"  {line}" for line in aligned(plane_table(summary))]
    for heading, table in own_tables(summary):
        lines += ["", f"{heading}:", *(f"  {line}" for line in aligned(table))]
    best = summary.best
    if best is None:
        return "\n".join([*lines, "", f"no trial finished: see {printing.shown(folder.path)}"])
    if summary.confirmations:
        lines += ["", f"{best_again(summary)}, on fresh seeds (mean, 95 % interval):"]
        lines += [f"  {line}" for line in aligned(confirmations_table(summary))]
    lines += ["", best_in_words(summary, best), *(f"  {line}" for line in test_in_words(summary, best))]
    lines += ["", *summary.supported, *summary.not_supported, *summary.borders, *summary.unread]
    if summary.importances:
        lines += [importances_in_words(summary)]
    lines += ["", "look further:"]
    lines += [f"  {what + ':':<24} {command}" for command, what in next_commands(folder, best)]
    return "\n".join(lines)


def headline(summary: Summary) -> str:
    """The study in one line."""
    counts = summary.trials
    again = f", {counts.again} again on fresh seeds" if counts.again else ""
    return (
        f"study {summary.study}: {wording.count(counts.ended, 'trial')} in {summary.minutes:.1f} minutes "
        f"({counts.finished} finished, {counts.pruned} pruned, {counts.failed} failed{again}), "
        f"{summary.cost_minutes:.1f} minutes of training"
    )


def best_again(summary: Summary) -> str:
    """What was run again: `the best again`, `the best 3 again`."""
    several = len(summary.confirmations)
    return "the best again" if several == 1 else f"the best {several} again"


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
        heading = f"{wording.metric(summary.metric)} by point of the grid, means over seeds"
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
    spread = "" if cell.spread is None else f" ± {cell.spread:.4f}"
    return f"{cell.value:.4f}{spread}" + ("" if cell.parameters is None else f" ({cell.parameters:,})")


def confirmations_table(summary: Summary) -> list[list[str]]:
    """What was run again: found with, mean on fresh seeds, interval, parameters."""
    tests = list(summary.confirmations[0].test)
    rows = [["trial", "found with", "on fresh seeds", "95 % interval", *map(wording.metric, tests), "parameters"]]
    for row in summary.confirmations:
        scores = [f"{row.test[name].mean:.4f}" for name in tests]
        count = "-" if row.parameters is None else f"{row.parameters:,}"
        rows.append([str(row.trial), f"{row.found:.4f}", f"{row.mean:.4f}", row.interval or "-", *scores, count])
    return rows


def best_in_words(summary: Summary, best: Best) -> str:
    """The best trial in one line."""
    again = f" on fresh seeds (found with {best.found:.4f})" if summary.confirmations else ""
    settings = wording.settings(best.settings)
    return f"best: trial {best.trial}, {wording.metric(summary.metric)} {best.value:.4f}{again} ({settings})"


def test_in_words(summary: Summary, best: Best) -> list[str]:
    """The best configuration's scores on the test part, the baseline's beside them."""
    lines, means = [], summary.confirmations[0].test if summary.confirmations else {}
    for name, value in best.test.items():
        beside = f", 95 % interval {means[name].interval} over seeds" if name in means and means[name].interval else ""
        lines.append(f"{wording.metric(name)} {value:.4f}{beside}")
    return lines + printing.beside(best.references, best.comparison)


def importances_in_words(summary: Summary) -> str:
    """How much each setting accounts for, in a line."""
    shares = ", ".join(f"{name.replace('_', ' ')} {share:.0%}" for name, share in summary.importances.items())
    return f"what the {wording.metric(summary.metric)} varied with, over finished trials (fANOVA): {shares}"


def next_commands(folder: StudyFolder, best: Best) -> list[tuple[str, str]]:
    """Commands that show more, each with what it shows."""
    run = folder.base.runs_dir / best.run
    words = best.command.split(" ", 3)
    flags = words[3] if len(words) > 3 else ""
    commands = [(f'make train EXPERIMENT={folder.base.experiment} ARGS="{flags}"', "train the best again")]
    commands.append((f"make show {printing.make_word(run)}", "see its curves"))
    commands.append((printing.make_command("dashboard", folder.base.runs_dir), "see all in a browser"))
    state = mirror_client.state(run)
    if state.get("mode") == "offline":
        commands.append((printing.make_command("sync", folder.base.runs_dir), "send all to W&B"))
    elif state.get("url"):
        commands.append((state["url"], "see it at W&B"))
    commands.append((f"less {printing.shown(folder.path / 'summary.md')}", "read about all trials"))
    return commands


def markdown(summary: Summary, figures: Path) -> str:
    """The study as a Markdown page: what came out and how sure it is, the tables, the figures, every trial."""
    lines = [f"# Study {summary.study}", "", f"{wording.capital(headline(summary))}.", ""]
    best = summary.best
    if best:
        lines += ["## Answer", "", f"{wording.capital(best_in_words(summary, best))}.", ""]
        lines += [f"- {wording.capital(line)}" for line in test_in_words(summary, best)]
        lines += ["", "Chosen on the validation part; the test part played no role in it. Again:", ""]
        lines += [f"    {best.command}", ""]
        lines += section("What the data support", summary.supported)
        lines += section("What they do not support", summary.not_supported)
        lines += section("On the border", summary.borders)
    if summary.confirmations:
        lines += [f"## {wording.capital(best_again(summary))}, on fresh seeds", ""]
        lines += ["The seeds are the same for all of them. Intervals are of 95 %, by Student's t, over seeds.", ""]
        lines += [*_table(confirmations_table(summary)), ""]
    if has_plane(summary):
        lines += [f"## {wording.capital(wording.metric(summary.metric))} by hidden size and depth", ""]
        lines += ["In brackets: the number of parameters. After ±: the standard deviation between seeds.", ""]
        lines += [*_table(plane_table(summary)), ""]
    for heading, table in own_tables(summary):
        lines += [f"## {wording.capital(heading)}", "", *_table(table), ""]
    if summary.importances:
        lines += ["## Importances", "", f"{wording.capital(importances_in_words(summary))}.", ""]
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
    rows = [["trial", wording.metric(summary.metric), "settings", "parameters", "seconds", "run"]]
    for trial in summary.rows:
        value = f"{trial.value:.4f}" if trial.state == "complete" else trial.state
        value += f" ({trial.reason})" if trial.reason else ""
        value += f", went on after step {wording.plain(trial.resumed_after[-1])}" if trial.resumed_after else ""
        size = "" if trial.parameters is None else f"{trial.parameters:,}"
        seconds = "" if trial.seconds is None else f"{trial.seconds:.1f}"
        row = [str(trial.trial), value, wording.settings(trial.settings), size, seconds, trial.run or ""]
        rows.append([text.replace("|", "/").replace("\n", " ") for text in row])
    return rows


def _table(rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in [rows[0], ["---"] * len(rows[0]), *rows[1:]]]
