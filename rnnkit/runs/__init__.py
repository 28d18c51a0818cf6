"""The record of a run: its folder, manifest, rows, checkpoints and result. Imports no torch."""

from rnnkit.runs import checkpoints, flags, folders, mirror_client, printing, replay, tracking
from rnnkit.runs.flags import Flag, before_training
from rnnkit.runs.folders import RunContext, ended, is_live
from rnnkit.runs.manifest import FORMAT, Manifest, Membership, installed_versions
from rnnkit.runs.mirror_client import Mirror
from rnnkit.runs.result import Comparison, Reference, ReferenceKind, Result, Status
from rnnkit.runs.rows import read_row, read_rows
from rnnkit.runs.tracking import Diverged, Interrupted, Pruned, Run


__all__ = ["checkpoints", "flags", "folders", "mirror_client", "printing", "replay", "tracking"]
__all__ += ["Flag", "before_training"]
__all__ += ["RunContext", "ended", "is_live"]
__all__ += ["FORMAT", "Manifest", "Membership", "installed_versions"]
__all__ += ["Mirror"]
__all__ += ["Comparison", "Reference", "ReferenceKind", "Result", "Status"]
__all__ += ["read_row", "read_rows"]
__all__ += ["Diverged", "Interrupted", "Pruned", "Run"]
