"""What everything else stands on: settings, command lines, errors, files, seeds. Imports no torch."""

from rnnkit.core import (
    cells,
    cli,
    determinism,
    extras,
    files,
    locks,
    processes,
    records,
    seeding,
    signals,
    surroundings,
    terminal,
)
from rnnkit.core.cells import CellFacts, CellName
from rnnkit.core.config import BaseConfig, defaults, given, refuse_idle, run_name, settings, sizes
from rnnkit.core.errors import (
    Checked,
    OutOfMemory,
    RunsOptions,
    UserError,
    decoration,
    error_in_words,
    is_out_of_memory,
    require_counts,
    writing,
)
from rnnkit.core.texts import secrets, without_secrets, wording


__all__ = [
    "cells",
    "cli",
    "determinism",
    "extras",
    "files",
    "locks",
    "processes",
    "records",
    "secrets",
    "seeding",
    "signals",
]
__all__ += ["surroundings", "terminal", "wording", "BaseConfig", "Checked", "OutOfMemory", "RunsOptions", "UserError"]
__all__ += ["decoration", "defaults", "error_in_words", "given", "is_out_of_memory", "refuse_idle", "require_counts"]
__all__ += ["CellFacts", "CellName", "run_name", "settings", "sizes", "without_secrets", "writing"]
