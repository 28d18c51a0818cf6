"""What a study's numbers support, as numbers, sentences, tables and pictures."""

from sweeps.analysis.facts import (
    Best,
    Confirmation,
    Difference,
    GridCell,
    Importance,
    Mean,
    Summary,
    TrialRow,
)
from sweeps.analysis.importances import importance
from sweeps.analysis.plane import grid_cells


__all__ = ["Best", "Confirmation", "Difference", "GridCell", "Importance", "Mean", "Summary", "TrialRow"]
__all__ += ["grid_cells", "importance"]
