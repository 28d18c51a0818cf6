"""What lies in a folder of runs, read for whoever shows it."""

from sweeps.reading import answers, configurations, describe, described, exporting, groups, plain, sections, studies
from sweeps.reading.rows import Columns, last_row, read_columns, thinned
from sweeps.reading.run_index import STATES, Card, NotThere, RunIndex, State
from sweeps.reading.sections import SECTIONS, WHERE, Chart, Drawn, Section, arranged, is_log, spans_much
from sweeps.reading.studies import TRIAL_STATES, Study, Trial, trial_in_words


__all__ = [
    "answers",
    "configurations",
    "describe",
    "described",
    "exporting",
    "groups",
    "plain",
    "sections",
    "studies",
    "Columns",
]
__all__ += ["last_row", "read_columns"]
__all__ += [
    "thinned",
    "STATES",
    "Card",
    "NotThere",
    "RunIndex",
    "State",
    "SECTIONS",
    "WHERE",
    "Chart",
    "Drawn",
    "Section",
    "arranged",
]
__all__ += ["is_log", "spans_much", "TRIAL_STATES", "Study", "Trial", "trial_in_words"]
