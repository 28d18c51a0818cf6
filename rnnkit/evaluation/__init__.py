"""How good a model is: scores, comparisons, and what counts of the symbols before reach."""

from rnnkit.evaluation import ngram
from rnnkit.evaluation.comparison import compare, over_runs, signs_of, text_regression
from rnnkit.evaluation.metrics import METRICS, Direction, Metric, classification, metric
from rnnkit.evaluation.resampled import compare_errors, compare_f1


__all__ = ["METRICS", "Direction", "Metric", "classification", "compare", "compare_errors", "compare_f1", "metric"]
__all__ += ["ngram", "over_runs", "signs_of", "text_regression"]
