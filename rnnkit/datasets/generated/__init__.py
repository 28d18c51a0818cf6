"""Data made from a seed: no download, and the best possible score is known."""
