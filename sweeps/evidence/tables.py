"""docs/evidence.md from what was measured."""

import math
import statistics
from collections.abc import Iterable, Sequence

from rnnkit.core import wording
from sweeps.analysis import comparing
from sweeps.evidence.rows import GROUPS, ROWS, EvidenceRow


HEAD = """# Evidence

For you if you want to know how good the nets here are before you use them.

What the networks here reach, beside what others published and what something cheap gives on the same test part.

- **ours**: mean ± standard deviation over seeds 0, 1, ..., in brackets how many. Weights, data order and dropout
  depend on the seed, the data and their split do not.
- **beside the published figure**: *reached* where our mean is at least as good; *within the spread* where it is
  not, but one of our seeds is; else by how much it falls short.
- **minutes**: of one run, in processor time on one thread ({machine}).

`make evidence` measures what is missing and writes this page; `make evidence ROW=<row>` does so for one row, and
`make evidence ARGS="--row <row> --again"` once more. The figures of each seed are in [evidence.json](evidence.json).
"""


def page(measurements: Sequence) -> str:
    """The whole page. `measurements` are `sweeps.evidence.Measurement`s."""
    by_row = {row.name: [m for m in measurements if m.row == row.name] for row in ROWS}
    machines = sorted({f"{m.processor}, torch {m.torch}" for m in measurements})
    head = HEAD.format(machine="; ".join(machines) or "none yet")
    return "\n".join([head, *(section(name, [row for row in ROWS if row.group == name], by_row) for name in GROUPS)])


def section(name: str, rows: list[EvidenceRow], by_row: dict[str, list]) -> str:
    """One table with its commands."""
    group = GROUPS[name]
    lines = [f"## {group.title}", "", f"{wording.capital(group.figure)}. Data: {group.data}."]
    if group.note:
        lines += ["", f"{group.note}."]
    lines += ["", *(crossed(rows, by_row) if rows and rows[0].column else listed(rows, by_row)), ""]
    notes = [f"`{row.name}`: {row.note}" for row in rows if row.note]
    lines += [line for note in notes for line in (note, "")]
    each = (f"python -m experiments.{row.experiment} {row.flags}".rstrip() + f"    # {row.name}" for row in rows)
    lines += [f"    {command}" for command in group.commands or each]
    return "\n".join(lines) + "\n"


def listed(rows: list[EvidenceRow], by_row: dict[str, list]) -> list[str]:
    """A line for each row, and above them what stands beside all of them."""
    common = shared([(row, by_row[row.name]) for row in rows if by_row[row.name]])
    lines = ["Beside it: " + "; ".join(f"{figure(value)} {what}" for what, value in common) + ".", ""] if common else []
    lines += ["| row | | ours | published | beside it | minutes |", "|---|---|---|---|---|---|"]
    return lines + [table_row(row, by_row[row.name], common) for row in rows]


def crossed(rows: list[EvidenceRow], by_row: dict[str, list]) -> list[str]:
    """A line for each `what` of the rows, a column for each `column`, and below them what stands beside each column."""
    heads, names = dict.fromkeys(row.column for row in rows), dict.fromkeys(row.what for row in rows)
    columns = {head: [row for row in rows if row.column == head] for head in heads}
    shown = {head: column_cells(there, by_row, len(columns)) for head, there in columns.items()}
    lines = [f"| | {' | '.join(heads)} |", f"|---{'|---:' * len(heads)}|"]
    lines += [f"| {name} | {' | '.join(shown[head].get(name, '') for head in heads)} |" for name in names]
    told = "better than each of the others by a t-test over seeds, corrected for all pairs of all columns"
    bold = any(text.startswith("**") for column in shown.values() for text in column.values())
    lines += ["", f"Bold: {told}." if bold else f"None is bold, as none is {told}."]
    lines += ["*: not clearly better than what something cheap gives:", ""]
    for head, there in columns.items():
        if beside := [pair for row in there if by_row[row.name] for pair in cheap(row, by_row[row.name])]:
            each = (f"{figure(value)} {what}" for what, value in dict.fromkeys(beside))
            lines.append(f"- {head}: {'; '.join(each)}")
    return lines


def column_cells(rows: list[EvidenceRow], by_row: dict[str, list], columns: int) -> dict[str, str]:
    """What stands in a column of so many, by the `what` of its rows."""
    scores = {row.what: {m.seed: m.value for m in by_row[row.name] if m.value is not None} for row in rows}
    groups = [comparing.Group(what, "", [], {rows[0].metric: found}) for what, found in scores.items() if found]
    if not groups:
        return {row.what: "to come" for row in rows}
    found = comparing.compared(groups, rows[0].metric, rows[0].lower_is_better, columns)
    means, cells = {mean.group: mean for mean in found.means}, dict[str, str]()
    for row in rows:
        if (mean := means.get(row.what)) is None:
            cells[row.what] = "no finished run" if by_row[row.name] else "to come"
            continue
        ends = f" ({mean.interval})" if mean.interval else ""
        count = "" if mean.count == row.seeds else f", {wording.count(mean.count, 'seed')}"
        star = "*" if not_beaten(row, by_row[row.name]) else ""
        value = f"**{wording.number(mean.mean)}**" if found.best == row.what else wording.number(mean.mean)
        cells[row.what] = f"{value}{star}{ends}{count}"
    return cells


def shared(rows: list[tuple[EvidenceRow, list]]) -> list[tuple[str, float]]:
    """The cheap figures that stand beside every row, so that they need be said once only."""
    if len(rows) < 2:
        return []
    sets = [cheap(row, measurements) for row, measurements in rows]
    return [pair for pair in sets[0] if all(pair in other for other in sets[1:])]


def cheap(row: EvidenceRow, measurements: list) -> list[tuple[str, float]]:
    """What is not published but computed beside a row, and counts the same: baselines, and the best possible."""
    first = measurements[0]
    same = [r for r in first.references if r["metric"] == wording.without_split(row.metric)]
    figures = [(r["what"], r["value"]) for r in same if r["kind"] != "published"]
    if first.comparison and first.comparison["baseline"] not in dict(figures):
        figures.append((first.comparison["baseline"], first.comparison["theirs"]))
    return figures


def table_row(row: EvidenceRow, measurements: list, common: list[tuple[str, float]]) -> str:
    """One line of a table."""
    if not measurements:
        return f"| `{row.name}` | {row.what} | not measured yet | | | |"
    beside = [f"{figure(value)} {what}" for what, value in cheap(row, measurements) if (what, value) not in common]
    minutes = statistics.median(m.minutes for m in measurements)
    cells = [f"`{row.name}`", row.what, ours(row, measurements), published(row, measurements), "; ".join(beside)]
    return "| " + " | ".join([*cells, f"{minutes:.1f}"]) + " |"


def ours(row: EvidenceRow, measurements: list) -> str:
    """Mean and spread in words, with the seeds that diverged, and what cheap figures it is no better than."""
    values = [m.value for m in measurements if m.value is not None]
    diverged = len(measurements) - len(values)
    words = spread(values) if values else "no finished run"
    words += f"; {diverged} diverged" if diverged else ""
    words += f"; {row.seeds - len(measurements)} to come" if len(measurements) < row.seeds else ""
    lost = not_beaten(row, measurements)
    return words + (f"; no better than {wording.listed(lost)}" if lost else "")


def not_beaten(row: EvidenceRow, measurements: list) -> list[str]:
    """The cheap figures that a row is not clearly better than."""
    values = [m.value for m in measurements if m.value is not None]
    limits = [r["what"] for r in measurements[0].references if r["kind"] == "limit"]
    # An expected value is beaten or not by which examples were drawn; what the same ones give stands beside it.
    others = [(w, v) for w, v in cheap(row, measurements) if w not in limits and not w.endswith(", expected")]
    return [what for what, value in others if values and not better(row, values, value)]


def better(row: EvidenceRow, values: list[float], than: float) -> bool:
    """Whether the mean is clearly on the good side of a figure: by more than twice its standard error."""
    gain = (than - statistics.mean(values)) * (1 if row.lower_is_better else -1)
    return gain > 2 * (statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else 0)


def published(row: EvidenceRow, measurements: list) -> str:
    """The published figures, and how ours stand to them."""
    values = [m.value for m in measurements if m.value is not None]
    metric = wording.without_split(row.metric)
    others = [r for r in measurements[0].references if r["kind"] == "published" and r["metric"] == metric]
    return "; ".join(f"{figure(r['value'])} {r['what']}: {verdict(row, values, r['value'])}" for r in others)


def verdict(row: EvidenceRow, values: Iterable[float], theirs: float) -> str:
    """Whether a published figure is reached."""
    sign = -1 if row.lower_is_better else 1
    values = [sign * value for value in values]
    if not values:
        return "not reached"
    if statistics.mean(values) >= sign * theirs:
        return "reached"
    if max(values) >= sign * theirs:
        return "within the spread"
    return f"not reached, {sign * theirs - statistics.mean(values):.{decimals(theirs)}f} short"


def spread(values: list[float]) -> str:
    """Mean, standard deviation and number of values: 8.43 ± 0.02 (5)."""
    mean = statistics.mean(values)
    around = f" ± {statistics.stdev(values):.{decimals(mean)}f}" if len(values) > 1 else ""
    return f"{figure(mean)}{around} ({len(values)})"


def decimals(value: float) -> int:
    """How many decimals a value is shown with: 4 from a hundredth on and fewer above 10, more below."""
    size = math.floor(math.log10(abs(value))) if value else -1
    return min(6, 3 - size) if size < -2 else min(4, max(1, 3 - size))


def figure(value: float) -> str:
    """A value as the tables show it."""
    return f"{value:.{decimals(value)}f}"
