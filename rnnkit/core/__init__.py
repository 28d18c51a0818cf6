"""What everything else stands on: settings, command lines, errors, files, seeds. Imports no torch."""

from rnnkit.core import cli, determinism, extras, files, locks, processes, records, secrets, seeding, signals, wording
from rnnkit.core.config import BaseConfig, defaults, run_name, settings, sizes
from rnnkit.core.errors import (
    Checked,
    OutOfMemory,
    RunsOptions,
    UserError,
    error_in_words,
    is_out_of_memory,
    require_counts,
    writing,
)
from rnnkit.core.secrets import without_secrets


__all__ = ["cli", "determinism", "extras", "files", "locks", "processes", "records", "secrets", "seeding", "signals"]
__all__ += ["wording", "BaseConfig", "Checked", "OutOfMemory", "RunsOptions", "UserError", "defaults", "error_in_words"]
__all__ += ["is_out_of_memory", "require_counts", "run_name", "settings", "sizes", "without_secrets", "writing"]
