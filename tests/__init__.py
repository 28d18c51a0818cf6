from rnnkit import starting  # noqa: F401 (for what it does)
