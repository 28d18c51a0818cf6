"""Studies over an experiment's settings, and what looks at many runs."""
