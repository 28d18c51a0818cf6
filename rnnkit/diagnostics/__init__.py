"""Numbers that say whether a recurrent network can learn, and the monitor that computes them in training."""

from rnnkit.diagnostics import credit_horizon, dynamics, monitor, norms, probe, states
from rnnkit.diagnostics.monitor import Monitor
from rnnkit.diagnostics.norms import gradient_norms, snapshot
from rnnkit.diagnostics.probe import ProbeBatch, layer_inputs


__all__ = ["credit_horizon", "dynamics", "monitor", "norms", "probe", "states"]
__all__ += ["Monitor", "ProbeBatch", "gradient_norms", "layer_inputs", "snapshot"]
