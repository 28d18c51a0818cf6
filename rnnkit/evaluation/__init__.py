"""How good a model is: scores, comparisons, and what counts of the symbols before reach."""
