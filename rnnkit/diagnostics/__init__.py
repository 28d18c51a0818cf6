"""Numbers that say whether a recurrent network can learn, and the monitor that computes them in training."""
