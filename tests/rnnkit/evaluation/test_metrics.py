import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from rnnkit.evaluation.metrics import METRICS, Direction, Metric, classification, metric
from tests.helpers import ROOT


@pytest.mark.parametrize("name", ["accuracy", "metric/accuracy/valid", "metric/accuracy/test"])
def test_a_metric_is_found_by_its_name_and_by_those_of_records(name):
    assert metric(name) == Metric("accuracy", "share of answers", (0.0, 1.0), Direction.MAXIMIZE)


def test_the_loss_has_one_entry_wherever_it_stands():
    assert metric("loss/valid") == metric("metric/loss/valid") == metric("loss")
    assert metric("loss").limits == (0.0, math.inf)


@pytest.mark.parametrize("name", ["metric/beauty/valid", "beauty", "metric"])
def test_a_metric_that_is_not_known_has_no_limits(name):
    unknown = metric(name)
    assert (unknown.unit, unknown.limits, unknown.direction) == ("", (-math.inf, math.inf), "minimize")


def test_every_metric_stands_under_its_name_and_within_limits():
    for name, entry in METRICS.items():
        assert entry.name == name
        assert entry.limits[0] < entry.limits[1]
    best = {name for name, entry in METRICS.items() if entry.direction == "maximize"}
    assert best == {"accuracy", "accuracy_on_new_words", "macro_f1", "roc_auc", "r2"}


def test_to_ask_for_a_metric_loads_no_large_library():
    """Command lines ask for it before they answer."""
    code = "import sys, rnnkit.evaluation.metrics\n"
    code += "print({'torch', 'sklearn', 'scipy', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_accuracy_and_macro_f1_by_hand():
    scores = classification([0, 0, 1, 1, 2], [0, 1, 1, 1, 0], "test")
    # F1: class 0 one of (2 true, 2 said) = 1/2; class 1 two of (2 true, 3 said) = 4/5; class 2 none = 0.
    assert scores == {
        "metric/accuracy/test": pytest.approx(3 / 5),
        "metric/macro_f1/test": pytest.approx((1 / 2 + 4 / 5 + 0) / 3),
    }
    assert classification([0, 0], [1, 1], "valid") == {"metric/accuracy/valid": 0.0, "metric/macro_f1/valid": 0.0}


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6)), min_size=1, max_size=40))
def test_scores_of_classes_are_scikit_learns(pairs):
    targets, predictions = zip(*pairs, strict=True)
    scores = classification(torch.tensor(targets), np.array(predictions), "test")
    macro = f1_score(targets, predictions, average="macro", zero_division=0)
    assert scores["metric/accuracy/test"] == accuracy_score(targets, predictions)
    assert scores["metric/macro_f1/test"] == pytest.approx(macro, rel=1e-12)
