"""How a run ended: result.json, and figures to see it beside."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from rnnkit.core.errors import UserError
from rnnkit.core.files import decode, encode, read_json, write_json


@dataclass(frozen=True)
class Result:
    """How a run ended: what result.json holds, and the folder it lies in.

    `status` is finished, pruned, failed, diverged or interrupted; `metrics` holds the last value of each metric and
    the final ones; `reason` says in a line why a run did not finish. `comparison` is a `scores.Comparison`;
    `references` are what others reach on the same test part (see `reference`). `processor_seconds` are those that this
    process computed, on all its threads: unlike `seconds` they do not depend on what else the machine was doing.
    `flags` are `flags.Flag`s: what in the record says that the network cannot learn, or does not. `resumed_after` names
    the steps after which the run was stopped or killed, and went on.
    """

    run: str
    status: str
    step: int
    seconds: float
    metrics: dict[str, float]
    folder: Path
    weights_sha256: str | None = None
    reason: str | None = None
    parameters: int | None = None
    comparison: dict | None = None
    references: list[dict] | None = None
    processor_seconds: float | None = None
    flags: list[dict] | None = None
    resumed_after: list[int] | None = None

    def write(self) -> None:
        """Write result.json into the run's folder."""
        values = {k: v for k, v in dataclasses.asdict(self).items() if k != "folder" and v is not None}
        write_json(self.folder / "result.json", {**values, "metrics": encode(self.metrics)})

    @classmethod
    def read(cls, folder: Path) -> "Result | None":
        """The result in a run's folder; None where the run has not ended. Raises `UserError` where it is damaged."""
        path = folder / "result.json"
        if not path.exists():
            return None
        values = read_json(path)
        try:
            return cls(**{**values, "metrics": decode(values["metrics"]), "folder": folder})
        except (KeyError, TypeError, AttributeError):
            raise UserError(f"{path} is damaged (it is no result): delete it, or its whole folder") from None


def reference(what: str, metric: str, value: float, kind: str = "baseline") -> dict:
    """A figure to see a result's `metric` beside, as result.json keeps it.

    `kind` is "baseline" (something cheap that was computed here), "published", or "limit" (the best possible).
    """
    if kind not in ("baseline", "published", "limit"):
        raise ValueError(f"a reference is a baseline, published, or a limit, not {kind}")
    return {"what": what, "metric": metric, "value": float(value), "kind": kind}
