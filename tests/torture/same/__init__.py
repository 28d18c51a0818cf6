"""One study by 1, 2 and 4 workers, and by 2 of which some are killed at random moments: the same to the last bit."""
