"""Experiments: what one states, the loop that trains it, and what a sweep searches. Imports no torch."""

from rnnkit.evaluation import Direction
from rnnkit.runs import Diverged, Pruned, RunContext
from rnnkit.training.experiment import Experiment, Final, Task, experiment
from rnnkit.training.objective import Objective
from rnnkit.training.space import Range, Space, studied, tuned


__all__ = ["Direction", "Diverged", "Experiment", "Final", "Objective", "Pruned", "Range", "RunContext", "Space"]
__all__ += ["Task", "experiment", "studied", "tuned"]
