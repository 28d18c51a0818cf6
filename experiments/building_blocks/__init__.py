"""The blocks of `experiments.building_blocks`, by theme."""
