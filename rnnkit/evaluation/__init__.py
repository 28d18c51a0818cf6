"""How good a model is: scores, comparisons, and what counts of the symbols before reach."""

from rnnkit.evaluation import ngram
from rnnkit.evaluation.baselines import text_regression
from rnnkit.evaluation.comparison import compare
from rnnkit.evaluation.metrics import METRICS, Direction, Metric, classification, metric


__all__ = ["ngram"]
__all__ += ["text_regression"]
__all__ += ["compare"]
__all__ += ["METRICS", "Direction", "Metric", "classification", "metric"]
