"""The table cell x task: its runs have the budget of parameters, its figures are those that the runs have."""

import re
import statistics

import pytest
from scipy import stats

from rnnkit.core import cells
from sweeps.evidence import tables
from sweeps.evidence.cells import COLUMNS, PARAMETERS, layers
from sweeps.evidence.measure import Measurement, configuration
from sweeps.evidence.rows import ROWS, EvidenceRow
from sweeps.study import limits
from tests.helpers import ROOT


ROWS_OF_CELLS = [row for row in ROWS if row.column]


def test_each_cell_has_a_row_in_each_column():
    assert {column.task: sorted(column.units) for column in COLUMNS} == {c.task: cells.names() for c in COLUMNS}
    assert len(ROWS_OF_CELLS) == len(COLUMNS) * len(cells.names())


@pytest.mark.parametrize("number", range(len(cells.names())))
def test_nets_have_the_budget_of_parameters(number):
    """One column for each cell, another for the next: all 60 would take long."""
    cell, column = cells.names()[number], COLUMNS[number % len(COLUMNS)]
    config = configuration(next(row for row in ROWS_OF_CELLS if row.name == f"cells-{column.task}-{cell}"), 0)
    if column.task == "music":  # as many keys, and no download
        config = config.changed(data="made")
    assert (config.cell, config.depth) == (cell, layers(cell))
    assert limits.parameters(config) == pytest.approx(PARAMETERS, rel=0.035)


def measured(row, values, **more):
    given = {"status": "finished", "metrics": {}, "minutes": 1.5, "processor": "P", "torch": "T", "commit": None}
    given |= {"references": [], "comparison": None} | more
    return [
        Measurement(row=row.name, seed=seed, run=f"run-s{seed}", value=value, **given)
        for seed, value in enumerate(values)
    ]


def test_figures_intervals_and_what_is_told_apart():
    said = "digits", "", "metric/accuracy/test", 4
    rows = [
        EvidenceRow(f"{what}-{column}", "cells", what, *said, column=column)
        for column in ("one", "two")
        for what in ("first", "second", "third")
    ]
    good, poor, few = [0.90, 0.91, 0.92, 0.91], [0.51, 0.50, 0.50, 0.52], [0.7]
    beside = {"what": "nothing", "metric": "accuracy", "value": 0.52, "kind": "baseline"}
    found = [
        *measured(rows[0], good, references=[beside]),
        *measured(rows[1], poor, references=[beside]),
        *measured(rows[3], good),
        *measured(rows[4], good[::-1]),
        *measured(rows[5], few),
    ]
    by_row = {row.name: [m for m in found if m.row == row.name] for row in rows}
    head, _, *lines = tables.crossed(rows, by_row)
    assert head == "| | one | two |"
    first, second, third = ([cell.strip() for cell in line.split("|")[2:4]] for line in lines[:3])
    mean, low, high = map(float, re.fullmatch(r"\*\*(0.\d+)\*\* \((0.\d+) to (0.\d+)\)", first[0]).groups())
    assert mean == statistics.mean(good)
    half = stats.t.ppf(0.975, 3) * statistics.stdev(good) / 2
    assert high - low == pytest.approx(2 * half, rel=0.05)  # on the scale of logits, so nearly
    assert second[0].startswith("0.5075* (0.49")
    assert third[0] == "to come"
    assert not first[1].startswith("**")
    assert third[1] == "0.7000, 1 seed"
    assert lines[4].startswith("Bold: better than each of the others")
    assert lines[-1] == "- one: 0.5200 nothing"
    alike = {row.name: measured(row, good[i:] + good[:i]) for i, row in enumerate(rows[:3])}
    assert "\nNone is bold, as none is better" in "\n".join(tables.crossed(rows[:3], alike))


def test_the_pages_have_the_same_table():
    """docs/cells.md has that of docs/evidence.md, which `make evidence` writes."""
    pages = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("evidence.md", "cells.md")]
    found = [re.findall(r"^\| \| adding.*\n(?:\|.*\n)+", page, flags=re.MULTILINE) for page in pages]
    assert found[0] == found[1]
    assert len(found[0]) == 1
    assert len(found[0][0].splitlines()) == 2 + len(cells.names())
