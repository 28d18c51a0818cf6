"""The character model from end to end on a small text, what it measures, and what it writes."""

import dataclasses
import math
import random
import re

import pytest
import torch

from experiments import char_lm, sample
from rnnkit.core import files, seeding
from rnnkit.core.errors import UserError
from rnnkit.datasets import texts
from rnnkit.nn import models
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from tests.helpers import run_command


SMALL = ["--hidden-size", "24", "--embedding-size", "8", "--batch-size", "16", "--steps", "20"]


def rhyme(lines=400):
    """A text of our own whose every other word follows from the one before."""
    generator = random.Random(0)
    pairs = [("red", "rose"), ("blue", "bell"), ("grey", "goose"), ("green", "grass")]
    return "\n".join(" ".join(" ".join(generator.choice(pairs)) for _ in range(4)) for _ in range(lines))


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "rhyme.txt"
    path.write_text(rhyme())
    return path


@pytest.fixture(scope="module")
def trained(text, tmp_path_factory):
    runs = tmp_path_factory.mktemp("char_lm")
    words = ["--text", text, *SMALL, "--round", "40", "--learning-rate", "0.02", "--epochs", "5"]
    words += ["--track", "off", "--runs-dir", runs]
    done = run_command("experiments.char_lm", *words)
    assert done.returncode == 0, done.stderr
    (folder,) = runs.iterdir()
    return folder, done.stdout


def test_it_learns_the_text_and_says_so_beside_the_counts(trained, text):
    folder, printed = trained
    result = Result.read(folder)
    bits = result.metrics["metric/bits_per_character/test"]
    assert f"bits per character (test): {bits:.4f}" in printed
    # Each pair of words is a choice among four, 2 bits over some 9 symbols; a net without memory needs 3 and more.
    assert 0.2 < bits < 0.6
    assert "counts of 6 symbols: bits per character (test) 0." in printed
    rows = read_rows(folder)
    assert len(rows) == 200
    assert [row["step"] for row in rows if "metric/bits_per_character/valid" in row] == [40, 80, 120, 160, 200]
    assert {"grad_norm/embedding", "grad_norm/encoder.l0.f/hh", "grad_norm/head"} <= set(rows[0])


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_bits_are_summed_over_the_whole_text_with_the_state_carried(cell):
    config = char_lm.Config(cell=cell, hidden_size=7, depth=2)
    model = models.language_model(config, 5, 4, longest=9).train()
    ids = torch.randint(5, (1_207,), generator=torch.Generator().manual_seed(0))  # more than a chunk of 1,000
    bits, state = 0.0, None
    with torch.no_grad():
        for here, there in zip(ids, ids[1:], strict=False):
            scores, state = model.step(here.view(1), state)
            bits -= torch.log_softmax(scores[0].double(), dim=0)[there].item() / math.log(2)
    assert char_lm.bits_per_character(model, ids) == pytest.approx(bits / 1_206, rel=1e-6)
    assert model.training


def test_parts_are_cut_in_order_and_lose_nothing():
    text = "".join(chr(97 + i % 26) for i in range(1_003))
    parts = char_lm.parts(text, char_lm.Config())
    assert "".join(parts) == text
    assert [len(part) for part in parts] == [902, 50, 51]


@pytest.mark.parametrize(
    "words",
    [
        ["--reading", "streams", "--clip", "1", "--epochs", "1"],
        ["--cell", "gru", "--depth", "2", "--dropout", "0.2", "--schedule", "cosine"],
        ["--tied", "--embedding-size", "24", "--cell", "rnn", "--evaluate-every", "3", "--keep", "best"],
        ["--layers", "torch", "--init", "orthogonal"],
    ],
)
def test_every_setting_works(text, tmp_path, monkeypatch, capsys, words):
    few = [*SMALL, "--epochs", "1", "--track", "off", "--runs-dir", str(tmp_path)]
    few += [] if "streams" in words else ["--round", "8"]
    monkeypatch.setattr("sys.argv", ["char_lm", "--text", str(text), *few, *words])
    char_lm.main()
    steps = -(-((len(rhyme()) * 90 // 100 - 1) // 16) // 20) if "streams" in words else 8
    assert f": finished after {steps} steps" in capsys.readouterr().out


def test_the_default_text_needs_no_download(tmp_path):
    config = char_lm.Config(hidden_size=8, embedding_size=4, epochs=1, round=2, track="off", runs_dir=tmp_path)
    result = char_lm.run(config)
    assert result.status == "finished"
    found = texts.python_docs()
    assert files.read_json(result.folder / "manifest.json")["data"] == {"python": found.sha256}
    assert len(found.text) > 200_000


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b" \n\n", "nothing but white space"),
        (b"too short to train on", "21 symbols are too few: at least 651 are needed "),
        (b"fine\nfine\nn\xe9gligence" * 99, "line 3: byte 11"),
        (b"\xef\xbb\xbf" + b"marked " * 500, "line 1: starts with a byte-order mark"),
        ("sixteen bits ".encode("utf-16") * 99, "line 1: starts with a byte-order mark"),
    ],
)
def test_a_text_that_cannot_be_used_ends_in_one_line_and_leaves_nothing(tmp_path, content, message):
    (tmp_path / "bad.txt").write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        char_lm.run(char_lm.Config(text=str(tmp_path / "bad.txt"), runs_dir=tmp_path / "runs", track="off"))
    assert "\n" not in str(error.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--text", "iland"], "--text must be python, island, shakespeare, or the path"),
        (["--text", "missing.txt"], "cannot read missing.txt"),
        (["--bidirectional"], "has seen what comes next"),
        (["--tied"], "--tied needs --embedding-size 512"),
        (["--steps", "0"], "--steps must be at least 1"),
    ],
)
def test_mistakes_end_with_one_line_and_exit_2(tmp_path, monkeypatch, capsys, words, message):
    from rnnkit.core import cli

    monkeypatch.setattr("sys.argv", ["char_lm", *words, "--track", "off", "--runs-dir", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as stop:
        cli.main(char_lm.main, settle=False)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def written(folder, length, **options):
    model, symbols = sample.load(folder)
    options = {"prompt": "red ", "temperature": 1.0, "seed": 0} | options
    text = sample.written(model, symbols, **options)
    return "".join(next(text) for _ in range(length))


def test_it_writes_words_of_its_text_and_the_same_ones_by_the_same_seed(trained):
    folder, _ = trained
    first = written(folder, 200)
    assert first == written(folder, 200)
    assert first != written(folder, 200, seed=1)
    known = set(rhyme().split())
    words = first.split()[:-1]
    assert sum(word in known for word in words) > 0.8 * len(words)


def test_cold_it_takes_the_likeliest_symbol_and_hot_it_takes_any(trained):
    model, symbols = sample.load(trained[0])
    with torch.no_grad():
        scores, state = None, None
        for symbol in "blue":
            scores, state = model.step(torch.tensor([symbols.index(symbol)]), state)
    assert written(trained[0], 1, prompt="blue", temperature=0.0) == symbols[int(scores.argmax())]
    assert written(trained[0], 30, temperature=0.0, seed=1) == written(trained[0], 30, temperature=0.0, seed=2)
    known = set(rhyme().split())
    assert sum(word in known for word in written(trained[0], 300, temperature=50.0).split()) < 5


def test_symbols_are_drawn_as_softmax_over_temperature_says():
    scores, generator = torch.tensor([1.0, 1.0, 3.0]), seeding.generator(0, "sample")
    # The published shares for these scores at scales 1 and 0.5, that is temperatures 1 and 2.
    for temperature, shares in (
        (1.0, [0.10650698, 0.10650698, 0.78698605]),
        (2.0, [0.21194156, 0.21194156, 0.57611686]),
    ):
        drawn = torch.tensor([sample.chosen(scores, temperature, generator) for _ in range(4_000)])
        found = torch.bincount(drawn, minlength=3) / 4_000
        assert (found - torch.tensor(shares)).abs().max() < 4 * (0.25 / 4_000) ** 0.5


def test_nearly_cold_is_cold():
    generator = seeding.generator(0, "sample")
    assert {sample.chosen(torch.tensor([1.0, -2.0, 3.0]), 1e-310, generator) for _ in range(20)} == {2}


def test_the_command_writes_to_the_terminal(trained):
    folder, _ = trained
    done = run_command(
        "experiments.sample", folder.name, "--runs-dir", folder.parent, "--prompt", "grey", "--length", "40"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "grey" + written(folder, 40, prompt="grey") + "\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nowhere"], "there is no run nowhere"),
        (["RUN", "--prompt", "red ß"], "--prompt, symbol 5: 'ß' is not in the text"),
        (["RUN", "--temperature", "-1"], "--temperature must be 0 or more"),
        (["RUN", "--temperature", "0", "--seed", "5"], "--seed has no effect with --temperature 0"),
        (["RUN", "--length", "0"], "--length must be at least 1"),
    ],
)
def test_mistakes_of_the_command_end_in_one_line(trained, monkeypatch, capsys, words, message):
    from rnnkit.core import cli

    monkeypatch.setattr("sys.argv", ["sample", *(str(trained[0]) if word == "RUN" else word for word in words)])
    with pytest.raises(SystemExit) as stop:
        cli.main(sample.main, settle=False)
    assert stop.value.code == 2
    out, said = capsys.readouterr()
    assert out == ""
    assert message in said
    assert said.count("\n") == 1


def test_a_run_of_another_kind_or_without_its_weights_is_refused(trained, tmp_path):
    from experiments import digits

    other = digits.run(digits.Config(view="rows", epochs=1, hidden_size=4, depth=1, track="off", runs_dir=tmp_path))
    with pytest.raises(UserError, match="is a run of digits: only char_lm writes"):
        sample.load(other.folder)
    (copy := tmp_path / "copy").mkdir()
    for name in ("manifest.json", "result.json"):
        (copy / name).write_bytes((trained[0] / name).read_bytes())
    with pytest.raises(UserError, match="cannot read the checkpoint"):
        sample.load(copy)
    (copy / "result.json").unlink()
    with pytest.raises(UserError, match="has not finished"):
        sample.load(copy)


def test_the_curve_beside_the_books_goes_as_far_as_the_run():
    rows = [{"step": step, "loss/train": 2.0 - step / 10_000} for step in range(1, 1_700)]
    header, *lines = char_lm.beside_the_book(rows)[1:]
    assert [int(line.split()[1]) for line in lines] == [500, 1000, 1500]
    for line, (iteration, batch) in zip(lines, char_lm.BOOK.items(), strict=False):
        _, _, book, smooth, ours, difference = line.split()
        assert float(book) == batch
        assert float(ours) == pytest.approx(2.0 - (iteration + 1) / 10_000, abs=1e-4)
        assert float(difference) == pytest.approx(float(ours) - float(smooth), abs=2e-4)
        assert abs(float(smooth) - batch) < 0.05
    assert char_lm.beside_the_book(rows[:100])[2:] == []


@pytest.mark.parametrize("settings", [{}, {"steps": 900}, {"reading": "streams", "batch_size": 700}])
def test_the_least_length_that_the_error_names_is_the_least(settings):
    config = char_lm.Config(**settings)
    with pytest.raises(UserError) as error:
        char_lm.parts("a" * 30, config)
    least = int(re.search(r"at least ([\d,]+) are needed", str(error.value))[1].replace(",", ""))
    assert "".join(char_lm.parts("a" * least, config)) == "a" * least
    for length in range(least - 30, least):
        with pytest.raises(UserError):
            char_lm.parts("a" * length, config)


def test_symbols_that_only_the_part_held_out_has_are_counted_and_said(tmp_path, capsys):
    (tmp_path / "late.txt").write_text("abc " * 400 + "xy" * 20)
    config = char_lm.Config(text=str(tmp_path / "late.txt"), hidden_size=4, embedding_size=2, epochs=1, round=1)
    char_lm.run(dataclasses.replace(config, track="off", runs_dir=tmp_path / "runs"))
    assert "6 symbols, those of the whole text: 2 of them come in its last tenth alone\n" in capsys.readouterr().out


def test_the_net_and_the_counts_are_measured_on_the_same_characters():
    """All but the first: a net without a preference and counts of nothing need log2 of the symbols for each."""
    config = char_lm.Config(hidden_size=3)
    model = models.language_model(config, 4, 2, longest=9)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    text = "abcdabca"
    seen = []
    model.embedding.register_forward_hook(lambda module, args, output: seen.append(args[0].numel()))
    bits = char_lm.bits_per_character(model, torch.tensor(["abcd".index(symbol) for symbol in text]))
    assert bits == pytest.approx(char_lm.baseline("", text, 4)) == pytest.approx(2)
    assert sum(seen) == len(text) - 1
    # b after four b's: (4 + 1/2) / 5. What the a before it would cost, which never came, is left out.
    assert char_lm.baseline("bbbb", "ab", 2) == pytest.approx(-math.log2(4.5 / 5))
