"""A study: its folder, its storage, its points, and the workers that carry them out."""

MOST_TRIALS = 9_000  # in one study: the seeds from there on belong to confirmations
