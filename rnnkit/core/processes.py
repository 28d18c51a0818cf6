"""Processes that this one starts."""

import os
from pathlib import Path


def import_path() -> str:
    """PYTHONPATH for a process that is to find the same packages as this one: this checkout first."""
    return os.pathsep.join(filter(None, [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH")]))


def environment(**more: str) -> dict[str, str]:
    """The environment of a process that is to find the same packages as this one: this one's, and `more`."""
    return {**os.environ, "PYTHONPATH": import_path(), **more}
