"""What lies in a folder of runs, read for whoever shows it."""

from sweeps.reading import answers, configurations, describe, described, exporting, groups, plain, sections, studies
from sweeps.reading.rows import Columns, last_row, read_columns, thinned
from sweeps.reading.run_index import STATES, Card, NotThere, RunIndex, State
from sweeps.reading.sections import LOGARITHMIC, SECTIONS, WHERE, Chart, Drawn, Section, arranged, is_log, spans_much
from sweeps.reading.studies import TRIAL_STATES, Study, Trial, trial_in_words


__all__ = ["answers", "configurations", "describe", "described", "exporting", "groups", "plain", "sections", "studies"]
__all__ += ["Columns", "last_row", "read_columns", "thinned", "STATES", "Card", "NotThere", "RunIndex", "State"]
__all__ += ["LOGARITHMIC", "SECTIONS", "WHERE", "Chart", "Drawn", "Section", "arranged", "is_log", "spans_much"]
__all__ += ["TRIAL_STATES", "Study", "Trial", "trial_in_words"]
