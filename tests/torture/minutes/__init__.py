"""Sweeps that are to end by a time."""
