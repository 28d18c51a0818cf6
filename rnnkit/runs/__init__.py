"""The record of a run: its folder, manifest, rows, checkpoints and result. Imports no torch."""

from rnnkit.runs import checkpoints, flags, folders, foretelling, mirror_client, printing, replay, tracking
from rnnkit.runs.flags import Flag, before_training
from rnnkit.runs.folders import RunContext, ended, is_live
from rnnkit.runs.manifest import FORMAT, Manifest, Membership, installed_versions
from rnnkit.runs.mirror_client import Mirror
from rnnkit.runs.result import Comparison, Reference, ReferenceKind, Result, Status, require_one
from rnnkit.runs.rows import read_row, read_rows
from rnnkit.runs.tracking import Diverged, Interrupted, Pruned, Run


__all__ = ["checkpoints", "flags", "folders", "foretelling", "mirror_client", "printing", "replay", "tracking"]
__all__ += ["FORMAT", "Comparison", "Diverged", "Flag", "Interrupted", "Manifest", "Membership", "Mirror", "Pruned"]
__all__ += ["Reference", "ReferenceKind", "Result", "Run", "RunContext", "Status"]
__all__ += ["before_training", "ended", "installed_versions", "is_live", "read_row", "read_rows"]
__all__ += ["require_one"]
