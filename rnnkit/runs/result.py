"""How a run ended: result.json, and figures to see it beside."""

import contextlib
import dataclasses
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self, cast

from rnnkit.core import UserError, files, records
from rnnkit.runs.flags import Flag
from rnnkit.runs.rows import Row


class Status(StrEnum):
    """How a run can end. An interrupted one goes on where it was saved, and so can one that failed."""

    FINISHED = "finished"
    PRUNED = "pruned"
    FAILED = "failed"
    DIVERGED = "diverged"
    INTERRUPTED = "interrupted"


class ReferenceKind(StrEnum):
    """Where a reference comes from: computed here and cheap, published, or the best that is possible."""

    BASELINE = "baseline"
    PUBLISHED = "published"
    LIMIT = "limit"


@dataclass(frozen=True)
class Reference:
    """A figure on the same test part to see a `metric` beside, and `what` reaches it. `ValueError` for another kind."""

    what: str
    metric: str
    value: float
    kind: ReferenceKind = ReferenceKind.BASELINE

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))
        object.__setattr__(self, "kind", ReferenceKind(self.kind))


@dataclass(frozen=True)
class Comparison:
    """A share of correct answers beside a baseline's on the same examples: `difference` lies in `low`..`high`.

    With a `measure` it is that in place of a share; the difference is by how much the net's is better, as of a mean
    error, which is lower. `pairs` holds on which examples they differ (`evaluation.signs_of`); "" in records of earlier
    versions.
    """

    baseline: str
    ours: float
    theirs: float
    difference: float
    low: float
    high: float
    examples: int
    measure: str | None = None
    pairs: str = ""


@dataclass(frozen=True)
class Result:
    """What result.json holds, and the folder it lies in."""

    run: str
    status: Status
    step: int
    seconds: records.Seconds
    metrics: dict[str, float]  # the last value of each, and the final ones
    folder: Path
    weights_sha256: str | None = None
    reason: str | None = None  # in a line why it did not finish
    parameters: int | None = None
    comparison: Comparison | None = None
    references: list[Reference] | None = None
    processor_seconds: records.Seconds | None = None  # on all threads; unlike `seconds`, whatever else the machine did
    flags: list[Flag] | None = None  # what says that the network cannot learn, or does not
    foretold: str | None = None  # in words what early signs said of it
    resumed_after: list[int] | None = None  # the steps after which it was stopped or killed, and went on

    def write(self) -> None:
        """Write result.json into the run's folder."""
        values = {k: v for k, v in dataclasses.asdict(self).items() if k != "folder" and v is not None}
        values["metrics"] = files.encode(self.metrics)
        if self.flags is not None:
            values["flags"] = [files.encode(flag) for flag in values["flags"]]
        files.write_json(self.folder / "result.json", values, compared=("run", "metrics", "weights_sha256"))

    @classmethod
    def of(cls, folder: Path) -> Self:
        """The result of a run that has ended. Raises `UserError` where it has not."""
        result = cls.read(folder)
        if result is None:
            raise UserError(f"{folder.name} has not ended")
        return result

    @classmethod
    def told(cls, values: dict[str, Any], folder: Path) -> tuple[Self | None, list[str]]:
        """What the contents of a result.json say, as far as it fits, and in words what does not; None for no result."""
        flags = values.get("flags")
        if isinstance(flags, list):  # another version's are no reason to fail
            names = {field.name for field in dataclasses.fields(Flag)}
            kept = [x for x in cast("list[Any]", flags) if not isinstance(x, dict) or names == {*cast("Row", x)}]
            values = {**values, "flags": kept}
        return records.read(cls, {**values, "folder": folder})

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """The result in a run's folder; None where the run has not ended.

        Raises `UserError` where it is damaged, or another run's than the manifest beside it.
        """
        path = folder / "result.json"
        if not path.exists():
            return None
        found, damage = cls.told(files.read_json(path), folder)
        records.require_sound(damage, path)
        assert found is not None  # as there is no damage
        manifest = folder / "manifest.json"
        if manifest.is_file():
            require_one(_run_of(manifest), found)
        return found


def _run_of(manifest: Path) -> object:
    with contextlib.suppress(UserError):
        return files.read_json(manifest).get("run")
    return None  # damaged: whoever reads it says so


def require_one(run: object, result: Result) -> None:
    """Raise `UserError` where the manifest beside a result names another run: somebody has put them together."""
    if isinstance(run, str) and run and result.run and run != result.run:
        raise UserError(f"manifest.json and result.json are of two runs, {run} and {result.run}: put back its own")
