"""Experiments: what one states, the loop that trains it, and what a sweep searches. Imports no torch."""

from rnnkit.runs.folders import RunContext
from rnnkit.runs.tracking import Diverged, Pruned
from rnnkit.training.experiment import Experiment, Final, Task, experiment
from rnnkit.training.objective import Objective
from rnnkit.training.space import Range, Space, studied, tuned


__all__ = [
    "Diverged",
    "Experiment",
    "Final",
    "Objective",
    "Pruned",
    "Range",
    "RunContext",
    "Space",
    "Task",
    "experiment",
    "studied",
    "tuned",
]
