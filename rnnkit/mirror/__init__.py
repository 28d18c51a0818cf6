"""The process that carries the record of a run to Weights & Biases. Nothing that happens to it reaches the run."""
