"""What the flags foretell, measured on a bank of runs (docs/flags.md)."""
