"""What tests read of W&B's transaction log beside the rows that the mirror looks at."""

import json
from pathlib import Path
from typing import Any

from rnnkit.mirror.wandb_log import records, rows


__all__ = ["config", "rows", "run", "summary"]


def run(path: Path) -> Any:
    """The record that describes the run (`run_id`, `run_group`, `tags`, ...) as last written."""
    *_, last = (record.run for record in records(path) if record.WhichOneof("record_type") == "run")
    return last


def config(path: Path) -> dict[str, Any]:
    """The configuration that the run was started with."""
    return {item.key: json.loads(item.value_json) for item in run(path).config.update}


def summary(path: Path) -> dict[str, Any]:
    """The run's summary as last written."""
    updates = (record.summary.update for record in records(path) if record.WhichOneof("record_type") == "summary")
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for items in updates for item in items}
