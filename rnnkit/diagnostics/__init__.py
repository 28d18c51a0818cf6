"""Numbers that say whether a recurrent network can learn, and the monitor that computes them in training."""

from rnnkit.diagnostics import credit_horizon, dynamics, monitor, norms, probe, states


__all__ = ["credit_horizon", "dynamics", "monitor", "norms", "probe", "states"]
