"""The record of a run: its folder, manifest, rows, checkpoints and result. Imports no torch."""
