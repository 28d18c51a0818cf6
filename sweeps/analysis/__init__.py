"""What a study's numbers support, as numbers, sentences, tables and pictures."""

from sweeps.analysis.facts import Best, Confirmation, GridCell, Summary, TrialRow, grid_cells, importances


__all__ = ["Best", "Confirmation", "GridCell", "Summary", "TrialRow", "grid_cells", "importances"]
