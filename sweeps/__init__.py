"""Studies over an experiment's settings, and what looks at many runs."""

from rnnkit import starting  # noqa: F401 (for what it does)
