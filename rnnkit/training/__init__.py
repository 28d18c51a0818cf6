"""Experiments: what one states, the loop that trains it, and what a sweep searches. Imports no torch."""

from rnnkit.runs import Diverged, Pruned, RunContext
from rnnkit.training.experiment import Experiment, Final, Objective, Task, experiment
from rnnkit.training.space import Range, Space, studied, tuned


__all__ = ["Experiment", "Final", "Objective", "Task", "experiment"]
__all__ += ["Diverged", "Pruned", "Range", "RunContext", "Space", "studied", "tuned"]
