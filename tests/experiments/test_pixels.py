"""Pixels: which images are read, in which order, and runs on images that come with scikit-learn."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from experiments import pixels
from rnnkit.core import files
from rnnkit.datasets import mnist
from rnnkit.nn import models
from rnnkit.runs import checkpoints
from rnnkit.runs.rows import read_rows
from tests.helpers import data_at_hand, refused


ROWS = ["--data", "made", "--pixels-per-step", "28", "--track", "off"]
SIZES = (2_000, 500, 1_000)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    runs = tmp_path_factory.mktemp("pixels")
    return pixels.run(pixels.Config(data="made", pixels_per_step=28, epochs=4, track="off", runs_dir=runs))


def test_a_net_learns_images_by_rows(trained):
    assert trained.metrics["metric/accuracy/test"] > 0.85
    assert trained.comparison.baseline == "logistic regression on pixels"
    assert trained.comparison.examples == 360
    assert trained.references == []  # nothing was published on these images
    rows = read_rows(trained.folder)
    assert len(rows) == 4 * -(-(1_437 - 287) // 32)
    assert {"grad_norm/encoder.l0.f/hh", "hidden/encoder.l0.f/rms", "metric/macro_f1/valid"} <= set(rows[-1])


def test_the_baseline_is_scikit_learns_on_the_same_images(trained):
    train, valid, test = pixels.chosen("made", None, *SIZES)
    regression = LogisticRegression(C=0.1, max_iter=1_000)
    images = np.concatenate([train.images, valid.images]).reshape(1_437, 784) / 255
    with threadpool_limits(1):
        regression.fit(images, np.concatenate([train.labels, valid.labels]))
    expected = regression.score(test.images.reshape(360, 784) / 255, test.labels)
    assert trained.comparison.theirs == pytest.approx(expected)


def test_right_answers_stand_in_the_order_of_the_test_part(tmp_path, monkeypatch):
    seen = {}
    compare = pixels.compare

    def listening(baseline, ours, theirs):
        seen.update(ours=ours)
        return compare(baseline, ours, theirs)

    monkeypatch.setattr(pixels, "compare", listening)
    config = pixels.Config(data="made", pixels_per_step=56, epochs=1, hidden_size=8, track="off", runs_dir=tmp_path)
    result = pixels.run(config)
    weights = checkpoints.load(result.folder / "checkpoint.pt")["weights"]
    model = models.classifier(config, 56, 10, 14)
    model.load_state_dict(weights)
    _, _, test = pixels.chosen("made", None, *SIZES)
    _, _, examples = pixels.read_in_order(pixels.chosen("made", None, *SIZES), config)
    with torch.no_grad():  # one by one
        said = [int(model(torch.nn.utils.rnn.pack_sequence([steps])).argmax()) for steps in examples.inputs]
    assert seen["ours"].tolist() == [said == label for said, label in zip(said, test.labels.tolist(), strict=True)]
    assert result.metrics["metric/accuracy/test"] == pytest.approx(seen["ours"].mean())


def keys(part):
    return [(image.tobytes(), label) for image, label in zip(part.images, part.labels.tolist(), strict=True)]


@settings(max_examples=20)
@given(st.integers(0, 2_000), st.integers(1, 400), st.integers(0, 500))
def test_the_parts_are_drawn_from_their_own_images_and_share_none(train_size, valid_size, test_size):
    train, valid, test = pixels.chosen("made", None, train_size, valid_size, test_size)
    held_out = min(valid_size, 287)
    assert len(train.labels) == min(train_size or 1_437, 1_437 - held_out)
    assert (len(valid.labels), len(test.labels)) == (held_out, min(test_size or 360, 360))
    images = mnist.made()
    assert set(keys(train) + keys(valid)) <= set(keys(images.train))
    assert set(keys(test)) <= set(keys(images.test))
    assert len(set(keys(train)) | set(keys(valid))) == len(keys(train)) + len(keys(valid))
    other, same, _ = pixels.chosen("made", None, max(train_size // 2, 1), valid_size, test_size)
    assert keys(same) == keys(valid)  # whatever is trained on
    assert keys(other) == keys(train)[: len(other.labels)]


@pytest.mark.parametrize("per_step", [1, 4, 28, 784])
def test_sequential_is_row_by_row_from_the_top_left(per_step):
    parts = pixels.chosen("made", None, 50, 20, 10)
    read = pixels.read_in_order(parts, pixels.Config(data="made", pixels_per_step=per_step))
    mean, deviation = parts[0].images.mean(), parts[0].images.std()
    for part, examples in zip(parts, read, strict=True):
        assert examples.targets.tolist() == part.labels.tolist()
        for image, steps in zip(part.images, examples.inputs, strict=True):
            assert steps.shape == (784 // per_step, per_step)
            expected = [(image[i // 28, i % 28] - mean) / deviation for i in range(784)]
            assert steps.flatten().tolist() == pytest.approx(expected, abs=1e-5)
    every = torch.cat(read[0].inputs)
    assert every.mean().item() == pytest.approx(0, abs=1e-4)
    assert every.std().item() == pytest.approx(1, abs=1e-3)


def test_permuted_is_one_order_for_all_images_of_all_parts_fixed_by_its_seed():
    parts = pixels.chosen("made", None, 50, 20, 10)
    sequential, permuted, again, other = (
        pixels.read_in_order(parts, pixels.Config(data="made", **words))
        for words in (
            {},
            {"order": "permuted"},
            {"order": "permuted", "seed": 5, "cell": "lstm"},
            {"order": "permuted", "permutation_seed": 1},
        )
    )
    # The order itself: where each pixel of an image went, told by images of a single pixel.
    single = np.zeros((784, 28, 28), np.uint8)
    single.reshape(784, 784)[range(784), range(784)] = 255
    ones = [mnist.Part(single, np.zeros(784, np.uint8))] * 3
    order = torch.stack([s[:, 0] for s in pixels.read_in_order(ones, pixels.Config(order="permuted"))[0].inputs])
    order = order.argmax(0)  # step -> pixel
    assert sorted(order.tolist()) == list(range(784))
    assert (order.diff() == 1).float().mean() < 0.05
    for plain, mixed, same, different in zip(sequential, permuted, again, other, strict=True):
        for i in range(len(plain)):
            assert torch.equal(mixed.inputs[i], plain.inputs[i][order])
            assert torch.equal(mixed.inputs[i], same.inputs[i])
        assert not torch.equal(mixed.inputs[0], different.inputs[0])


def test_blank_images_are_standardised_too():
    parts = [mnist.Part(np.full((6, 2, 2), 7, np.uint8), np.zeros(6, np.uint8))] * 3
    read = pixels.read_in_order(parts, pixels.Config())
    assert not torch.cat(read[0].inputs).any()


@pytest.mark.parametrize(
    "words",
    [
        ["--order", "permuted", "--cell", "lstm", "--init", "chrono", "--pixels-per-step", "49"],
        ["--cell", "rnn", "--init", "identity", "--depth", "2", "--bidirectional", "--layers", "torch"],
        ["--train-size", "64", "--valid-size", "32", "--test-size", "16", "--optimizer", "rmsprop"],
        ["--pixels-per-step", "1", "--train-size", "4", "--valid-size", "2", "--test-size", "2"],
    ],
)
def test_every_setting_works(tmp_path, monkeypatch, capsys, words):
    quick = [*ROWS, "--epochs", "1", "--hidden-size", "8", "--train-size", "96", "--runs-dir", str(tmp_path)]
    monkeypatch.setattr("sys.argv", ["pixels", *quick, *words])
    pixels.main()
    size = int(words[words.index("--train-size") + 1]) if "--train-size" in words else 96
    said = capsys.readouterr().out
    assert f": finished after {-(-size // 32)} steps" in said
    assert "accuracy (test): " in said
    assert "published" not in said


def folder_of(path):
    rng = np.random.default_rng(0)
    arrays = [rng.integers(256, size=(20, 4, 3)), rng.integers(10, size=20)] * 2
    path.mkdir()
    for name, array in zip(mnist.FILES, arrays, strict=True):
        (path / name).write_bytes(mnist.packed(array))
    return path


def test_images_of_ones_own(tmp_path, monkeypatch, capsys):
    folder = folder_of(tmp_path / "mine")
    words = ["--data", str(folder), "--epochs", "1", "--track", "off", "--runs-dir", str(tmp_path / "runs")]
    monkeypatch.setattr("sys.argv", ["pixels", *words, "--hidden-size", "4"])
    pixels.main()
    said = capsys.readouterr().out
    assert "on the same 20 test examples" in said
    assert "published" not in said
    (run,) = (tmp_path / "runs").iterdir()
    assert list(files.read_json(run / "manifest.json")["data"]) == ["mine"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "minst"], "--data must be mnist, made, or the path of a folder, not minst"),
        (
            ["--data", "FOLDER", "--pixels-per-step", "5"],
            "--pixels-per-step 5 does not divide the 12 pixels of an image",
        ),
        (["--data", "SPOILED"], "its head says 20 x 4 x 3 = 240 bytes, and 239 follow"),
        (["--data", "EMPTY"], "train-images-idx3-ubyte is not there"),
        (["--data", "a" * 5_000], "--data must be mnist, made, or the path of a folder, not aaa"),
        (["--data", "ALIKE"], "20 images to train and to validate with are of class 7: there is nothing to learn"),
        (["--data", "FEW"], "4 images to train and to validate with are too few: 5 or more"),
        (["--pixels-per-step", "0"], "--pixels-per-step must be at least 1"),
        (["--valid-size", "0"], "--valid-size must be at least 1"),
        (["--train-size", "-1"], "--train-size must be 0 or more"),
    ],
)
def test_mistakes_end_with_one_line_and_exit_2(tmp_path, monkeypatch, capsys, words, message):
    from rnnkit.core import cli

    fine, spoiled, few, alike = (folder_of(tmp_path / name) for name in ("fine", "spoiled", "few", "alike"))
    (spoiled / mnist.FILES[0]).write_bytes((fine / mnist.FILES[0]).read_bytes()[:-1])
    (few / mnist.FILES[0]).write_bytes(mnist.packed(np.zeros((4, 4, 3))))
    (few / mnist.FILES[1]).write_bytes(mnist.packed(np.zeros(4)))
    (alike / mnist.FILES[1]).write_bytes(mnist.packed(np.full(20, 7)))
    (tmp_path / "empty").mkdir()
    places = {"FOLDER": fine, "SPOILED": spoiled, "EMPTY": tmp_path / "empty", "FEW": few, "ALIKE": alike}
    words = [str(places.get(word, word)) for word in words]
    monkeypatch.setattr("sys.argv", ["pixels", *words, "--track", "off", "--runs-dir", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as stop:
        cli.main(pixels.main, settle=False)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_without_the_data_and_without_a_network_the_error_says_what_to_put_where(tmp_path):
    nowhere = {"https_proxy": "http://127.0.0.1:9", "no_proxy": ""}  # port 9 refuses
    words = ["--data-dir", tmp_path / "data", "--runs-dir", tmp_path / "runs", "--track", "off"]
    done = refused("experiments.pixels", *words, env=nowhere)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    for part in ("train-images-idx3-ubyte.gz", "https://ossci-datasets.s3.amazonaws.com/mnist", "RNNKIT_DATA"):
        assert part in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("order", "cell"), list(pixels.PUBLISHED))
def test_on_mnist_the_published_numbers_stand_beside(tmp_path, monkeypatch, order, cell):
    data = data_at_hand("mnist")
    few = {"train_size": 4, "valid_size": 2, "test_size": 2, "epochs": 1, "hidden_size": 2}
    config = pixels.Config(order=order, cell=cell, data_dir=data, track="off", runs_dir=tmp_path, **few)
    references = pixels.run(config).references
    assert [reference.value for reference in references] == [value for _, value in pixels.PUBLISHED[order, cell]]
    assert all(f"{order} {cell.upper()}, all 60,000 images" in reference.what for reference in references)
