"""What a study was to find out, as its study.json says it: as far as that fits, and in words what does not."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from rnnkit.core import records


@dataclass(frozen=True)
class Space:
    """What a study judges its trials by, and the plane that it begins with; `start` are the plane's other settings."""

    metric: str = ""
    lower_is_better: bool = False
    hidden_sizes: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    start: dict[str, Any] = field(default_factory=dict)

    def plane(self) -> list[dict[str, Any]]:
        """The points of the plane, each with the settings that its trials have."""
        pairs = itertools.product(self.hidden_sizes, self.depths)
        return [{**self.start, "hidden_size": size, "depth": depth} for size, depth in pairs]


@dataclass(frozen=True)
class Described:
    """What study.json says; nothing of it has to be there."""

    study: str = ""
    experiment: str = ""
    seed: int | None = None
    sampler: str = ""
    pruner: str = ""
    storage: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    space: Space = field(default_factory=Space)
    started: records.Moment = ""


def told(values: dict[str, Any]) -> tuple[Described, list[str]]:
    """What the contents of a study.json say, as far as it fits, and in words what does not."""
    found, damage = records.read(Described, values)
    return found or Described(), damage
