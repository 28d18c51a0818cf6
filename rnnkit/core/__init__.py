"""What everything else stands on: settings, command lines, errors, files, seeds. Imports no torch."""

from rnnkit.core import (
    cli,
    determinism,
    extras,
    files,
    locks,
    processes,
    seeding,
    signals,
    surroundings,
    terminal,
    wording,
)
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
from rnnkit.core.secrets import without_secrets


__all__ = ["cli", "determinism", "extras", "files", "locks", "processes", "seeding", "signals", "surroundings"]
__all__ += ["BaseConfig", "Checked", "OutOfMemory", "RunsOptions", "UserError", "decoration", "defaults"]
__all__ += ["error_in_words", "given", "is_out_of_memory", "refuse_idle", "require_counts", "run_name", "settings"]
__all__ += ["sizes", "terminal", "without_secrets", "wording", "writing"]
