"""Tables: rows read some at a time, which column is what, and the sequences that rows become."""

from rnnkit.datasets.own.tables.assembling import assembled
from rnnkit.datasets.own.tables.reading import READERS, Rows, Table, separated
from rnnkit.datasets.own.tables.roles import IDS, PARTS, TARGETS, TIMES, roles_of
from rnnkit.datasets.own.tables.rows import Assembled


__all__ = [
    "IDS",
    "PARTS",
    "READERS",
    "TARGETS",
    "TIMES",
    "Assembled",
    "Rows",
    "Table",
    "assembled",
    "roles_of",
    "separated",
]
