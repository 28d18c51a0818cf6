"""docs/cells.md has each cell, with its state, its gates and how many parameters it has."""

import re

import rnnkit
from rnnkit.nn import cells
from tests.helpers import ROOT


def test_the_table_of_cells_is_that_of_the_files():
    text = (ROOT / "docs" / "cells.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| ([\w ]+) \| ([\w ]*?) ?\| .* \| ([\d,]+) \|$", text, flags=re.MULTILINE)
    assert sorted(name for name, *_ in rows) == cells.names()
    for name, states, gates, parameters in rows:
        module = rnnkit.Recurrent(name, 64, 64)
        assert (states.replace(" ", ""), gates.replace(" ", "")) == (module.cell.states, module.cell.gates)
        assert parameters == f"{sum(p.numel() for p in module.parameters()):,}"
