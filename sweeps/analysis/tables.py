"""Tables for a paper: groups of runs down, metrics across; as LaTeX, Markdown or CSV.

A cell is the mean and the standard deviation over the seeds of its row's runs. It is bold where its group is better
than each of the others by the test of `comparing`, corrected for all pairs in all columns at once.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rnnkit.core import wording
from sweeps.analysis import comparing, inference
from sweeps.analysis.comparing import Compared, Group
from sweeps.analysis.facts import Mean


CSV = ("group", "metric", "mean", "sd", "seeds", "low", "high", "bold", "parameters", "chosen", "runs", "commands")


@dataclass(frozen=True)
class Table:
    """Groups by several metrics: `columns` are a comparison each; `source` is the command that prints it again."""

    groups: list[Group]
    columns: list[Compared]
    source: str


def table(groups: Sequence[Group], metrics: Sequence[tuple[str, bool]], source: str) -> Table:
    """The table of groups by metrics, each with whether lower values of it are better."""
    columns = [comparing.compared(groups, metric, lower, len(metrics)) for metric, lower in metrics]
    return Table(list(groups), columns, source)


def _mean(column: Compared, group: Group) -> Mean:
    return next(mean for mean in column.means if mean.group == group.name)


def _cell(mean: Mean) -> str:
    spread = "" if mean.spread is None else f" ± {wording.number(mean.spread)}"
    return f"{wording.number(mean.mean)}{spread} ({mean.count})"


def _sizes(found: Table) -> tuple[list[str], dict[str, list[str]]]:
    """A column for numbers of parameters, its head and by group; none where none is known."""
    known = any(group.parameters is not None for group in found.groups)
    size = lambda group: "" if group.parameters is None else f"{group.parameters:,}"
    return ["parameters"] * known, {group.name: [size(group)] * known for group in found.groups}


def _notes(found: Table) -> list[str]:
    """What the table's cells are, and what bold says."""
    lines = ["Mean ± standard deviation over seeds (how many)."]
    if len(found.groups) > 1:
        many = max((pair.comparisons for column in found.columns for pair in column.pairs), default=0)
        corrected = f" at 5 %, corrected for {wording.count(many, 'comparison')}" if many else ""
        bold = any(column.best for column in found.columns)
        what = f"Bold: better than each of the others by a t-test over seeds{corrected}."
        lines.append(
            what if bold else f"None is bold, as none is better than each of the others by a t-test{corrected}."
        )
    few = sum(len(group.runs) < inference.LEAST_SEEDS for group in found.groups)
    if few and len(found.groups) > 1:
        lines.append(f"{wording.count(few, 'group')} with fewer than {inference.LEAST_SEEDS} seeds cannot be compared.")
    return lines + [line for group in found.groups for line in comparing.left_out_in_words(group)]


def _runs(group: Group) -> str:
    """Which runs a row is of."""
    return f"runs: {', '.join(group.runs)}{f'; {group.chosen}' if group.chosen else ''}"


def markdown(found: Table) -> list[str]:
    """The table in Markdown, with the runs of each row below it."""
    head, sizes = _sizes(found)
    heads = ["", *(wording.metric(column.metric) for column in found.columns), *head]
    rows = [heads, ["---", *("---:" for _ in heads[1:])]]
    for group in found.groups:
        cells = [
            f"**{_cell(_mean(column, group))}**" if column.best == group.name else _cell(_mean(column, group))
            for column in found.columns
        ]
        rows.append([_in_markdown(group.name), *cells, *sizes[group.name]])
    lines = [f"| {' | '.join(row)} |" for row in rows] + ["", *_notes(found), f"Made by `{found.source}`.", ""]
    for group in found.groups:
        lines.append(f"- {_in_markdown(group.name)}: {_runs(group)}")
        lines += [f"  - again: `{command}`" for command in group.commands]
    return lines


def _in_markdown(text: str) -> str:
    return "".join(f"\\{sign}" if sign in "\\|*_`<[" else sign for sign in wording.printable(text))


def latex(found: Table) -> list[str]:
    """The table in LaTeX, for the package booktabs, with the runs of each row in comments."""
    head, sizes = _sizes(found)
    heads = ["", *(_in_latex(wording.metric(column.metric)) for column in found.columns), *head]
    lines = [
        f"% {wording.printable(line)}"
        for line in (*_notes(found), f"Made by: {found.source}", r"Needs \usepackage{booktabs}.")
    ]
    lines += [rf"\begin{{tabular}}{{l{'r' * (len(heads) - 1)}}}", r"\toprule", f"{' & '.join(heads)} \\\\", r"\midrule"]
    for group in found.groups:
        cells = [_in_math(_mean(column, group), column.best == group.name) for column in found.columns]
        counts = (size.replace(",", "{,}") for size in sizes[group.name])
        lines.append(f"{' & '.join([_in_latex(group.name), *cells, *counts])} \\\\")
        sources = [_runs(group), *(f"again: {command}" for command in group.commands)]
        lines += [f"% {wording.printable(source)}" for source in sources]
    return [*lines, r"\bottomrule", r"\end{tabular}"]


def _in_math(mean: Mean, bold: bool) -> str:
    spread = "" if mean.spread is None else rf" \pm {wording.number(mean.spread)}"
    value = _TIMES_TEN.sub(r" \\cdot 10^{\1\2}", f"{wording.number(mean.mean)}{spread}")
    return (rf"$\mathbf{{{value}}}$" if bold else f"${value}$") + f" ({mean.count})"


_TIMES_TEN = re.compile(r"e\+?(-?)0*(\d+)")
_LATEX = {sign: f"\\{sign}" for sign in "&%$#_{}"}
_LATEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}


def _in_latex(text: str) -> str:
    return "".join(_LATEX.get(sign, sign) for sign in wording.printable(text))


def as_csv(found: Table) -> list[str]:
    """The table as CSV, a cell a line, with every digit, its runs and what gives them again."""
    text = io.StringIO()
    write = csv.writer(text, lineterminator="\n").writerow
    write(CSV)
    for group in found.groups:
        for column in found.columns:
            mean = _mean(column, group)
            numbers = [mean.mean, mean.spread, mean.count, mean.low, mean.high, column.best == group.name]
            sources = [group.chosen, " ".join(group.runs), "; ".join(group.commands)]
            write([group.name, column.metric, *numbers, group.parameters, *sources])
    return text.getvalue().splitlines()
