"""Scores of a classifier, by scikit-learn."""

from rnnkit.core import extras


def classification(targets, predictions) -> dict[str, float]:
    """Accuracy and macro-averaged F1 (the mean of the classes' F1) of predicted classes, both in 0..1."""
    with extras.needed("experiments", "a score of classes"):
        from sklearn.metrics import accuracy_score, f1_score

    return {
        "accuracy": float(accuracy_score(targets, predictions)),
        "macro_f1": float(f1_score(targets, predictions, average="macro", zero_division=0)),
    }
