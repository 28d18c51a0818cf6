"""Studies at Weights & Biases."""
