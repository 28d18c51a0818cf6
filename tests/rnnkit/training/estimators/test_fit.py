"""Fits: what is learned, the record of a run beside, seeds, time limits, files, and what is refused."""

import csv

import numpy as np
import pytest
import torch

import rnnkit
from experiments import predict
from rnnkit import RNNClassifier, RNNForecaster, RNNRegressor, RNNTagger
from rnnkit.inference import weights
from rnnkit.runs import Manifest, Result, read_rows
from rnnkit.training.estimators import pace
from tests.helpers import refused, run_here


QUICK = {"epochs": 2, "hidden_size": 4, "folds": 1, "observe": "off", "random_state": 0}


def first_of_two(count=120, seed=0):
    """Which of two marks comes first: the same values in both classes, in another order."""
    generator = np.random.default_rng(seed)
    x, y = [], []
    for number in range(count):
        steps = np.zeros((generator.integers(4, 8), 1))
        places = sorted(generator.choice(len(steps), 2, replace=False))
        steps[places, 0] = (1, -1) if number % 2 else (-1, 1)
        x.append(steps)
        y.append("plus" if number % 2 else "minus")
    return x, y


def test_a_classifier_learns_what_the_order_of_steps_says():
    x, y = first_of_two()
    model = RNNClassifier(epochs=15, hidden_size=12, folds=1, runs_dir=None, random_state=0, observe="off").fit(x, y)
    assert model.score(*first_of_two(100, seed=1)) > 0.95


def test_a_regressor_learns_a_sum():
    generator = np.random.default_rng(0)
    x = [generator.uniform(size=generator.integers(3, 8)) for _ in range(120)]
    y = [100 + 10 * one.sum() for one in x]
    model = RNNRegressor(epochs=25, hidden_size=12, folds=1, runs_dir=None, random_state=0, observe="off").fit(x, y)
    assert model.score(x, y) > 0.95
    assert abs(np.mean(model.predict(x)) - np.mean(y)) < 2


def test_a_tagger_learns_a_tag_that_the_step_before_decides():
    generator = np.random.default_rng(0)
    x = [list(generator.choice(["a", "b"], generator.integers(3, 9))) for _ in range(150)]
    y = [[0, *(int(before == "a") for before in one[:-1])] for one in x]
    model = RNNTagger(epochs=12, hidden_size=12, word_dropout=0.0, runs_dir=None, random_state=0, folds=1).fit(x, y)
    assert model.score(x, y) > 0.98
    assert model.predict([["a", "b", "a"]]) == [[0, 1, 0]]
    assert model.classes_.tolist() == [0, 1]
    (shares,) = model.predict_proba([["a", "b", "a"]])
    assert shares.shape == (3, 2)


def test_a_forecaster_foretells_what_a_linear_model_cannot():
    """The logistic map: the next value is a parabola of the last."""
    values = [0.3]
    for _ in range(400):
        values.append(3.9 * values[-1] * (1 - values[-1]))
    series = np.array(values)
    settings = {"context": 2, "epochs": 12, "hidden_size": 12, "runs_dir": None, "random_state": 0}
    model = RNNForecaster(horizon=1, **settings).fit([series[:330]])
    linear = RNNForecaster(horizon=1, **{**settings, "epochs": 1, "learning_rate": 1e-9}).fit([series[:330]])
    ends = range(330, 400)
    x, y = [series[:end] for end in ends], series[list(ends)]
    assert model.score(x, y) > 0.95
    assert linear.score(x, y) < 0.5


def test_values_that_follow_can_be_given_apart():
    series = np.sin(np.arange(60) / 3)
    settings = {"context": 6, "epochs": 1, "hidden_size": 4, "runs_dir": None, "random_state": 0}
    whole = RNNForecaster(horizon=3, **settings).fit([series])
    apart = RNNForecaster(horizon=3, **settings).fit([series[:-3]], [series[-3:]])
    assert np.allclose(whole.predict([series]), apart.predict([series]), atol=1e-6)
    assert whole.predict([series, series]).shape == (2, 3)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    x, y = first_of_two(60)
    return RNNClassifier(**QUICK, runs_dir=runs).fit(x, y), x, np.array(y), runs


def test_a_fit_is_a_run_like_any_other(fitted):
    model, x, _, runs = fitted
    assert model.run_.parent == runs
    result, manifest = Result.read(model.run_), Manifest.read(model.run_)
    assert (result.status, manifest.experiment, manifest.config["epochs"]) == ("finished", "estimator", 2)
    assert manifest.command == ""  # nothing on a command line gives it again
    assert {"loss/train", "grad_norm/total"} <= set(read_rows(model.run_)[0])
    assert result.step == model.n_steps_
    loaded = rnnkit.load(model.run_)
    assert np.array_equal(np.stack(loaded.predict_proba(x)), model.predict_proba(x))


def test_every_answer_to_a_sequence_that_validated_is_written(fitted):
    model, x, y, _ = fitted
    with (model.run_ / "predictions.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["row", "truth", "prediction", "p(minus)", "p(plus)"]
    assert len(rows) == 12  # a fifth
    places = [int(row[0]) for row in rows]
    assert [row[1] for row in rows] == y[places].tolist()
    assert [row[2] for row in rows] == model.predict([x[i] for i in places]).tolist()
    shares = np.array([[float(value) for value in row[3:]] for row in rows])
    assert shares == pytest.approx(model.predict_proba([x[i] for i in places]), abs=1e-6)
    right = np.mean([row[1] == row[2] for row in rows])
    assert model.validation_scores_["accuracy"] == pytest.approx(right)
    assert (model.run_ / "predictions.csv").read_text() == model.predictions_
    assert model.report_.startswith("class  precision  recall      F1  rows\nminus")


def test_with_folds_each_sequence_is_answered_by_the_net_that_has_not_learned_from_it():
    """Other tags of a sequence change the answers to all others, and not a bit of the answers to it."""
    words = [["a", "b", "c", "d"][i % 4 :] + ["a"] for i in range(24)]
    tags = [[word.upper() for word in one] for one in words]
    settings = {**QUICK, "folds": 3, "runs_dir": None, "clip": 0.0, "epochs": 1, "learning_rate": 0.1}

    def answers(changed):
        model = RNNTagger(**settings).fit(words, changed)
        assert len(model.model_.net.members) == 3
        rows = [row.split(",") for row in model.predictions_.splitlines()[1:]]
        return [[row[4:] for row in rows if row[0] == str(place)] for place in range(24)]

    before = answers(tags)
    after = answers([["D"] * len(one) if place == 5 else one for place, one in enumerate(tags)])
    assert [len(rows) for rows in before] == list(map(len, words))
    assert before[5] == after[5]
    assert sum(one == other for one, other in zip(before, after, strict=True)) in (8, 9)  # its fold, and rounding


def test_the_same_seed_gives_the_same_bits_and_another_gives_others(fitted):
    model, x, y, _ = fitted
    torch.manual_seed(5)
    again, other = (RNNClassifier(**{**QUICK, "random_state": seed}, runs_dir=None).fit(x, y) for seed in (0, 1))
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))
    assert not np.array_equal(other.predict_proba(x), model.predict_proba(x))
    drawn = [RNNClassifier(**{**QUICK, "runs_dir": None, "random_state": np.random.RandomState(4)}) for _ in range(2)]
    one, two = (each.fit(x, y).predict_proba(x) for each in drawn)
    assert np.array_equal(one, two)


def test_a_sequence_has_the_same_bits_alone_and_among_others(fitted):
    model, x, _, _ = fitted
    assert np.array_equal(model.predict_proba(x), np.concatenate([model.predict_proba([one]) for one in x]))


def test_a_fit_leaves_torch_as_it_was(fitted):
    _, x, y, _ = fitted
    torch.manual_seed(3)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        RNNClassifier(**QUICK, runs_dir=None).fit(x, y)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.are_deterministic_algorithms_enabled()


def test_nothing_is_left_where_nothing_is_to_be_left(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    x, y = first_of_two(20)
    RNNClassifier(**QUICK, runs_dir=None).fit(x, y)
    assert list(tmp_path.iterdir()) == []
    assert capfd.readouterr() == ("", "")
    RNNClassifier(**QUICK, verbose=1).fit(x, y)
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert "validation: loss" in capfd.readouterr().out


def test_a_time_limit_ends_training_at_an_evaluation(monkeypatch):
    """With a clock of our own: a second for every look at it."""
    x, y = first_of_two(40)
    whole = RNNClassifier(**{**QUICK, "epochs": 50}, runs_dir=None).fit(x, y)
    ticks = iter(range(10_000_000))
    monkeypatch.setattr(pace.time, "perf_counter", lambda: float(next(ticks)))
    for limit, most in ((1, 20), (120, 100)):
        model = RNNClassifier(**{**QUICK, "epochs": 50}, time_limit=limit, runs_dir=None).fit(x, y)
        assert 1 <= model.n_steps_ < most <= whole.n_steps_
        assert model.predict(x).shape == (40,)
    free = RNNClassifier(**{**QUICK, "epochs": 2}, time_limit=1e9, runs_dir=None).fit(x, y)
    assert np.array_equal(free.predict_proba(x), RNNClassifier(**QUICK, runs_dir=None).fit(x, y).predict_proba(x))


@pytest.mark.parametrize("y", [["a", "b"], [3, -1], [True, False], [0.5, 2.5], ["é", "日"]])
def test_classes_come_back_as_what_they_were(tmp_path, y):
    pytest.importorskip("safetensors")
    x, _ = first_of_two(20)
    if isinstance(y[0], float):
        with pytest.raises(ValueError, match="Unknown label type"):
            RNNClassifier(**QUICK, runs_dir=None).fit(x, y * 10)
        return
    model = RNNClassifier(**QUICK, runs_dir=None, class_weight={y[0]: 1, y[1]: 3}).fit(x, y * 10)
    model.save(tmp_path / "net.safetensors")
    again = RNNClassifier.load(tmp_path / "net.safetensors")
    assert again.classes_.tolist() == sorted(y)
    assert again.predict(x).dtype == model.predict(x).dtype
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))
    assert again.get_params() == model.get_params()
    assert again.report_ == model.report_


def test_others_files_are_refused(tmp_path):
    pytest.importorskip("safetensors")
    series = [np.sin(np.arange(60))]
    path = tmp_path / "net.safetensors"
    RNNForecaster(epochs=1, runs_dir=None, random_state=np.random.RandomState(0)).fit(series).save(path)
    assert RNNForecaster.load(path).predict(series).shape == (1, 1)
    assert isinstance(RNNForecaster.load(path).random_state, int)
    with pytest.raises(ValueError, match="holds a RNNForecaster, not RNNTagger"):
        RNNTagger.load(path)
    tensors, told = weights.read(path)
    for part in ("seed_", "report_"):
        kept = {**told["estimator"], "fitted": {k: v for k, v in told["estimator"]["fitted"].items() if k != part}}
        weights.write(path, tensors, {**told, "estimator": kept})
        with pytest.raises(ValueError, match=f"was saved by another version, or changed: '{part}'"):
            RNNForecaster.load(path)
    path.write_bytes(b"none")
    with pytest.raises(ValueError, match="is damaged, or not a file of weights"):
        RNNForecaster.load(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"cell": "transformer"}, "there is no cell 'transformer'"),
        ({"pool": "median"}, "pool is 'median': choose one of last, mean, max, attention, joined"),
        ({"depth": 1.5}, "depth is 1.5, which is of another kind"),
        ({"hidden_size": 0}, "--hidden-size must be at least 1"),
        ({"validation_fraction": 1.5}, "--validation-fraction must be above 0 and below 1"),
        ({"folds": 21}, "--folds must be between 1 and 20"),
        ({"dropout": 0.5}, "--dropout acts between layers"),
        ({"class_weight": {"x": 1}}, "are not in class_weight"),
    ],
)
def test_parameters_that_cannot_be_used_are_named(change, said):
    x, y = first_of_two(20)
    with pytest.raises(ValueError, match=said):
        RNNClassifier(**{**QUICK, "runs_dir": None, **change}).fit(x, y)


def test_training_that_diverges_says_so():
    x, _ = first_of_two(30)
    with pytest.raises(ValueError, match="the training has diverged: .*; lower learning_rate"):
        RNNRegressor(**{**QUICK, "epochs": 30}, learning_rate=1e30, clip=0.0, runs_dir=None).fit(x, np.arange(30) * 1e3)


def test_a_run_of_it_is_used_from_the_command_line_and_not_repeated_there(fitted, tmp_path, monkeypatch, capsys):
    model, x, _, runs = fitted
    (tmp_path / "asked.txt").write_text("\n".join(" ".join(map(str, one[:, 0])) for one in x[:5]))
    code, printed = run_here(predict, monkeypatch, capsys, model.run_, tmp_path / "asked.txt")
    assert code == 0
    assert [line.split(",")[2] for line in printed.splitlines()[1:]] == model.predict(x[:5]).tolist()
    done = refused("experiments.reproduce", model.run_.name, "--runs-dir", runs)
    assert done.returncode == 2
    assert "is a fit of an estimator, on X and y that were in memory: fit it again in Python" in done.stderr
