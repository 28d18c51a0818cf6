"""Sequences of one's own: files of many formats become `OwnData`, and its parts."""

from rnnkit.datasets.own.data import How, OwnData, are_columns, named
from rnnkit.datasets.own.reading import read


__all__ = ["How", "OwnData", "are_columns", "named", "read"]
