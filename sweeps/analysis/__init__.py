"""What a study's numbers support, as numbers, sentences, tables and pictures."""

from sweeps.analysis.facts import Confirmation, GridCell, TrialRow, grid_cells, importances, read_confirmation


__all__ = ["Confirmation", "GridCell", "TrialRow", "grid_cells", "importances", "read_confirmation"]
