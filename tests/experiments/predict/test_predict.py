"""Every experiment keeps what using its net takes: its answers to raw test sequences have the scores of the run."""

import dataclasses
import math
import re
import shutil

import numpy as np
import pytest
import torch

import rnnkit
from experiments import char_lm, digits, memory, music, pixels, predict, sentiment, tagging, word_lm
from rnnkit.core import UserError
from rnnkit.datasets.generated import made_chords, made_reviews
from rnnkit.runs import checkpoints
from rnnkit.runs.result import Result
from tests import golden
from tests.experiments.test_older_records import DIVERGED, FINISHED, INTERRUPTED, RECORDS
from tests.helpers import refused, run_here


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def trained(runs):
    return digits.run(digits.Config(cell="rnn", epochs=2, hidden_size=8, depth=1, bidirectional=False, **placed(runs)))


def placed(runs):
    return {"track": "off", "observe": "off", "runs_dir": runs}


def share_right(given, truth):
    return np.mean([one == str(other) for one, other in zip(given, truth, strict=True)])


@pytest.mark.parametrize("view", ["ink", "rows", "pixels"])
def test_digits(runs, view):
    result = digits.run(digits.Config(view=view, cell="rnn", epochs=1, hidden_size=8, depth=1, **placed(runs)))
    data = digits.load(view, 0)
    given = rnnkit.load(result.folder).predict(data.images["test"])
    assert share_right(given, data.test.targets.tolist()) == pytest.approx(result.metrics["metric/accuracy/test"])


def test_reviews(runs):
    config = sentiment.Config(data="made", epochs=1, hidden_size=8, embedding_size=4, **placed(runs))
    result, test = sentiment.run(config), made_reviews.load().test
    model = rnnkit.load(result.folder)
    assert share_right(model.predict(test.texts), np.array(model.classes)[test.targets]) == pytest.approx(
        result.metrics["metric/accuracy/test"]
    )


@pytest.mark.parametrize("reader", [0, 6])
def test_tags(runs, tmp_path, reader):
    sizes = {"hidden_size": 8, "embedding_size": 5, "letter_size": 4, "reader_size": reader, "epochs": 1}
    config = tagging.Config(data=str(golden.treebank(tmp_path)), **sizes, **placed(runs))
    result, test = tagging.run(config), tagging.load(config.data, None).test
    given = rnnkit.load(result.folder).predict(test.sequences)
    flat = [tag for tags in given for tag in tags]
    assert share_right(flat, [tag for tags in test.tags for tag in tags]) == pytest.approx(
        result.metrics["metric/accuracy/test"]
    )


def nats(model, steps):
    """What all but the first of the steps cost the net in the mean, read one by one."""
    stream, numbers = model.stream(), {name: number for number, name in enumerate(model.classes)}
    costs, shares = [], None
    for step in steps:
        if shares is not None:
            costs.append(-math.log(shares[numbers[step]]))
        shares = stream.step(step).probabilities
    return math.fsum(costs) / len(costs)


def test_characters_of_a_text(runs, tmp_path):
    sizes = {"hidden_size": 8, "embedding_size": 5, "epochs": 1, "round": 10, "steps": 20}
    config = char_lm.Config(text=str(golden.text(tmp_path)), **sizes, **placed(runs))
    result = char_lm.run(config)
    test = char_lm.parts(char_lm.load(config.text, None).text, config)[2]
    bits = nats(rnnkit.load(result.folder), test) / math.log(2)
    assert bits == pytest.approx(result.metrics["metric/bits_per_character/test"], rel=1e-5)


def test_words_of_a_text(runs, tmp_path):
    text = tmp_path / "words.txt"
    first = ["the", "cat", "sat", "on", "a", "mat", "ran"]
    text.write_text("\n".join(f"{first[i % 5 + i % 3]} the cat" for i in range(600)))
    sizes = {"hidden_size": 8, "embedding_size": 5, "epochs": 1, "steps": 10, "batch_size": 8}
    result = word_lm.run(word_lm.Config(data=str(text), **sizes, **placed(runs)))
    model, words = rnnkit.load(result.folder), word_lm.numbered(str(text), None, 1)
    test = [words.words[i] for i in words.test.tolist()]
    assert test[0] == "<eos>"
    stream = dataclasses.replace(model, preprocessing=dataclasses.replace(model.preprocessing, start=""))
    assert math.exp(nats(stream, test)) == pytest.approx(result.metrics["metric/perplexity/test"], rel=1e-5)


def test_keys_that_sound(runs):
    result = music.run(music.Config(data="made", hidden_size=8, epochs=1, **placed(runs)))
    model, pieces = rnnkit.load(result.folder), made_chords.load().test
    costs = []
    for piece, shares in zip(pieces, model.predict_proba([piece[:-1].numpy() for piece in pieces]), strict=True):
        costs += (-np.log(np.where(piece[1:].numpy() > 0, shares, 1 - shares))).sum(1).tolist()
    assert np.mean(costs) == pytest.approx(result.metrics["metric/nats_per_step/test"], rel=1e-5)


@pytest.mark.parametrize("order", ["sequential", "permuted"])
def test_pixels(runs, order):
    sizes = {"train_size": 60, "valid_size": 30, "test_size": 40, "epochs": 1, "hidden_size": 8}
    config = pixels.Config(data="made", order=order, pixels_per_step=14, **sizes, **placed(runs))
    result, test = pixels.run(config), pixels.chosen("made", None, 60, 30, 40)[2]
    given = rnnkit.load(result.folder).predict(test.images)
    assert share_right(given, test.labels.tolist()) == pytest.approx(result.metrics["metric/accuracy/test"])


@pytest.mark.parametrize(
    ("task", "cut"), [("adding", False), ("copying", False), ("temporal-order", True), ("reber", False)]
)
def test_what_has_to_be_remembered(runs, task, cut):
    sizes = {"length": 12, "hidden_size": 8, "epochs": 1, "round": 4, "cut_recurrence": cut}
    config = memory.Config(task=task, **sizes, **placed(runs))
    result = memory.run(config)
    _, test = memory.held_out(config, memory.task_of(config))
    model, inputs, targets = rnnkit.load(result.folder), [one.numpy() for one in test.inputs], test.joined_targets
    if task == "adding":
        loss = np.mean((np.array(model.predict(inputs)) - targets.numpy()) ** 2)
    else:
        shares = np.concatenate([np.atleast_2d(one) for one in model.predict_proba(inputs)])
        loss = -np.log(shares[np.arange(len(targets)), targets.numpy()]).mean()
    assert loss == pytest.approx(result.metrics["metric/loss/test"], rel=1e-5)


def test_the_command_answers_in_the_order_of_the_rows(runs, trained, tmp_path, monkeypatch, capsys):
    images = digits.load("ink", 0).images["test"].reshape(-1, 64)[:20]
    rows = [",".join(f"{value:g}" for value in image) for image in images]
    model = rnnkit.load(trained.folder)
    (tmp_path / "images.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "lines.txt").write_text("\n".join(row.replace(",", " ") for row in rows))
    for name in ("images.csv", "lines.txt"):
        code, printed = run_here(predict, monkeypatch, capsys, trained.folder, tmp_path / name)
        header, *answers = printed.splitlines()
        assert code == 0
        assert header == "row,id,prediction," + ",".join(f"p({digit})" for digit in range(10))
        for place, (line, shares) in enumerate(zip(answers, model.predict_proba(images), strict=True)):
            row, _, said, *numbers = line.split(",")
            assert int(row) == place + 1
            assert [float(number) for number in numbers] == shares.tolist()  # to the last bit
            assert int(said) == shares.argmax()
    code, said = run_here(
        predict, monkeypatch, capsys, trained.run, tmp_path / "images.csv", "--runs-dir", runs, "--to", tmp_path / "a"
    )
    assert (code, said) == (0, f"20 answers in {tmp_path / 'a'}\n")
    assert (tmp_path / "a").read_text().splitlines()[0] == header


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty: give a sequence a line"),
        (b"1 2 3\n\n4\n", "line 2: it is empty: each line is a sequence"),
        (b"1 2 \xff\n", "line 1: not UTF-8: save it as UTF-8"),
        (b"1,2,x\n", "line 1: 'x' is not a number"),
        (b"[1, 2\n", "line 1: not JSON"),
        (b"[]\n", "line 1: it has no step"),
        (b"[[1], [2, 3]]\n", "line 1: its steps have different numbers of channels"),
        (b"[1e999]\n", "line 1: Infinity is not a finite number"),
        (b"[1, true]\n", "line 1: true is not a finite number"),
        (b"1 " * 63 + b"1\n1 2 3\n", "line 2 has 3 pixels: give 64 numbers, row by row"),
        (b"0 " * 64, "line 1 has no inked pixel"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_by_its_line(trained, tmp_path, content, said):
    path = tmp_path / "lines.txt"
    path.write_bytes(content)
    done = refused("experiments.predict", trained.folder, path, "--to", tmp_path / "answers.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(rf"error: {re.escape(str(path))},? {re.escape(said)}[^\n]*\n", done.stderr)
    assert not (tmp_path / "answers.csv").exists()


def test_records_of_earlier_versions_say_in_a_line_why_and_what_to_do():
    done = refused("experiments.predict", FINISHED, "--runs-dir", RECORDS)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {FINISHED} keeps weights alone, without what using them takes")
    assert "train it again (python -m experiments.digits " in done.stderr
    assert done.stderr.count("\n") == 1
    for name in (DIVERGED, INTERRUPTED):
        with pytest.raises(UserError, match=f"{name} has not finished: there are no trained weights"):
            rnnkit.load(name, RECORDS)
    with pytest.raises(UserError, match="there is no run digits-s5"):
        rnnkit.load("digits-s5", RECORDS)


def test_weights_that_are_not_the_runs_own_are_refused(trained, tmp_path):
    folder = shutil.copytree(trained.folder, tmp_path / trained.run)
    state = checkpoints.load(folder / "checkpoint.pt")
    weights = state["weights"] | {"head.bias": state["weights"]["head.bias"] + 1}
    checkpoints.save(folder / "checkpoint.pt", {**state, "weights": weights})
    with pytest.raises(UserError, match="is not the one of this run"):
        rnnkit.load(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"preprocessing": None}, "keeps weights alone"),
        ({"net": None}, r"does not say how its net is made"),
        ({"net": {"kind": "classifier"}}, "the net is described by another version"),
        (
            {"preprocessing": {"reads": "scents", "answers": "label"}},
            "the preprocessing is of another version: its reads",
        ),
    ],
)
def test_a_description_that_does_not_fit_is_refused(trained, tmp_path, change, said):
    folder = shutil.copytree(trained.folder, tmp_path / trained.run)
    checkpoints.save(folder / "checkpoint.pt", {**checkpoints.load(folder / "checkpoint.pt"), **change})
    with pytest.raises(UserError, match=said):
        rnnkit.load(folder)


def test_a_net_of_other_sizes_than_its_weights_is_refused(trained, tmp_path):
    folder = shutil.copytree(trained.folder, tmp_path / trained.run)
    state = checkpoints.load(folder / "checkpoint.pt")
    state["net"]["settings"]["hidden_size"] = 9
    checkpoints.save(folder / "checkpoint.pt", state)
    with pytest.raises(UserError, match="the weights are not those of the net that is described beside them"):
        rnnkit.load(folder)


def test_what_a_process_has_set_of_torch_changes_no_answer(trained):
    images = digits.load("ink", 0).images["test"][:30]
    before = rnnkit.load(trained.folder).predict_proba(images)
    torch.set_default_dtype(torch.float64)
    torch.set_flush_denormal(True)
    try:
        after = rnnkit.load(trained.folder).predict_proba(images)
        assert torch.tensor(2e-38, dtype=torch.float32).item() / 1 != 0
        assert (torch.tensor(2e-38, dtype=torch.float32) / 4).item() == 0  # as it was set
    finally:
        torch.set_flush_denormal(False)
        torch.set_default_dtype(torch.float32)
    assert np.array_equal(before, after)
    assert Result.read(trained.folder).status == "finished"
