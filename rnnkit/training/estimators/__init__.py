"""Recurrent nets with scikit-learn's interface, on the training of all experiments. Needs scikit-learn, and torch."""

from rnnkit.training.estimators.estimators import RNNClassifier, RNNForecaster, RNNRegressor, RNNTagger


__all__ = ["RNNClassifier", "RNNForecaster", "RNNRegressor", "RNNTagger"]
