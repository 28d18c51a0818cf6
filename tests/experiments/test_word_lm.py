"""The word model from end to end on made sentences, its steps against the published ones, and what it measures."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from experiments import word_lm
from rnnkit.core import cli, files
from rnnkit.core.errors import UserError
from rnnkit.datasets.generated import made_sentences
from rnnkit.nn import models
from rnnkit.runs import checkpoints
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from rnnkit.sequences import bptt_chunks
from tests.helpers import refused, run_command


CPU = torch.device("cpu")
ADAM = ["--optimizer", "adam", "--learning-rate", "0.01", "--schedule", "one-cycle", "--clip", "1"]
SMALL = ["--hidden-size", "48", "--embedding-size", "48", "--depth", "1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    runs = tmp_path_factory.mktemp("word_lm")
    words = [
        "--data",
        "made",
        *SMALL,
        *ADAM,
        "--batch-size",
        "10",
        "--epochs",
        "4",
        "--track",
        "off",
        "--runs-dir",
        runs,
    ]
    done = run_command("experiments.word_lm", *words)
    assert done.returncode == 0, done.stderr
    (folder,) = runs.iterdir()
    return folder, done.stdout


@pytest.fixture
def sentences(tmp_path):
    path = tmp_path / "mine.txt"
    made = " ".join(made_sentences.load().train[:1_500])
    path.write_text(made.replace(" <eos> ", "\n").removesuffix(" <eos>") + "\n")
    return path


def test_it_comes_close_to_the_best_possible_and_not_below(trained):
    folder, printed = trained
    result = Result.read(folder)
    found = result.metrics["metric/perplexity/test"]
    by_name = {reference.what: reference.value for reference in result.references}
    best = by_name.pop("the grammar that made the text, the best possible")
    assert best == made_sentences.load().best_perplexity
    assert best - 0.01 < found < best + 0.6
    assert by_name["counts of 5 words (Kneser-Ney)"] > best + 0.8
    assert len(by_name) == 1  # nobody published anything on made sentences
    assert f"perplexity (test): {found:.4f}" in printed
    assert f"the best possible: perplexity (test) {best:.4f}" in printed
    rows = read_rows(folder)
    steps = -(-(len(made_sentences.load().train) // 10) // 20)
    assert len(rows) == 4 * steps
    assert [row["step"] for row in rows if "metric/perplexity/valid" in row] == [steps * n for n in (1, 2, 3, 4)]
    assert {"grad_norm/embedding", "grad_norm/encoder.l0.f/hh", "grad_norm/head"} <= set(rows[0])
    assert rows[-1]["metric/perplexity/valid"] == pytest.approx(math.exp(rows[-1]["loss/valid"]))


def test_what_it_learned_is_kept_with_its_words(trained):
    folder, _ = trained
    checkpoint = checkpoints.load(folder / "checkpoint.pt")
    words = checkpoint["words"]
    config = word_lm.Config(hidden_size=48, embedding_size=48, depth=1, weight_limit=0.0)
    model = models.language_model(config, len(words), 48, 20)
    model.load_state_dict(checkpoint["weights"])
    text = word_lm.numbered("made", None, 0)
    test, known = text.test, text.words
    assert known == words
    found = word_lm.perplexity(word_lm.nats_per_word(model, test))
    assert found == pytest.approx(Result.read(folder).metrics["metric/perplexity/test"], rel=1e-5)


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_likelihoods_are_summed_over_the_whole_text_with_the_state_carried(cell):
    config = word_lm.Config(cell=cell, hidden_size=7, outer_dropout=0.5, dropout=0.5)
    model = models.language_model(config, 5, 4, longest=9, outer_dropout=0.5).train()
    ids = torch.randint(5, (1_107,), generator=torch.Generator().manual_seed(0))  # more than two chunks of 500
    found = word_lm.nats_per_word(model, ids)
    assert model.training
    nats, state = 0.0, None
    with torch.no_grad():
        model.eval()
        for here, there in zip(ids, ids[1:], strict=False):
            scores, state = model.step(here.view(1), state)
            nats -= torch.log_softmax(scores[0].double(), dim=0)[there].item()
    assert found == pytest.approx(nats / 1_106, rel=1e-6)


def test_a_model_that_knows_nothing_has_as_much_perplexity_as_there_are_words():
    model = models.language_model(word_lm.Config(hidden_size=7), 37, 4, longest=9)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
    nats = word_lm.nats_per_word(model, torch.randint(37, (90,)))
    assert word_lm.perplexity(nats) == pytest.approx(37, rel=1e-5)
    assert word_lm.perplexity(1_000.0) == math.inf


def test_every_word_is_predicted_the_first_after_a_line_end(sentences):
    source = word_lm.load(str(sentences), None)
    text = word_lm.numbered(str(sentences), None, 0)
    train, valid, test, words = text.train, text.valid, text.test, text.words
    assert words[train[0]] == "<eos>"
    for ids, part in ((train, source.train), (valid, source.valid), (test, source.test)):
        targets = torch.cat([chunk.targets[0] for chunk in bptt_chunks.contiguous(ids, 1, 500)])
        assert [words[n] for n in targets] == [word if word in words else "<unk>" for word in part]


def test_its_steps_are_the_published_ones(sentences, tmp_path):
    """The published loss is summed over the steps, with a learning rate of 1 and clipping at 5, halved later."""
    config = word_lm.Config(
        data=str(sentences),
        hidden_size=6,
        embedding_size=6,
        weight_limit=3.0,  # so wild that gradients are clipped
        epochs=3,
        full_epochs=1,
        track="off",
        runs_dir=tmp_path / "runs",
    )
    text = word_lm.numbered(config.data, None, 0)
    train, words = text.train, text.words
    model = models.language_model(config, len(words), 6, 20, limit=3.0)
    length = (len(train) - 1) // 20 // 20 * 20  # whole chunks alone; the run gets no others either
    whole = train[: 20 * length + 1]
    result = None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(word_lm, "numbered", lambda *_: word_lm.Numbered(whole, whole[:50], whole[:50], "", words))
        patch.setattr(word_lm, "baseline", lambda *_: 1.0)
        result = word_lm.run(config)
    clipped = 0
    for rate in (1.0, 0.5, 0.25):
        state = tuple(torch.zeros(2, 20, 6) for _ in range(2))
        for start in range(0, length, 20):
            inputs = torch.stack([whole[s * length + start :][:20] for s in range(20)])
            targets = torch.stack([whole[s * length + start + 1 :][:20] for s in range(20)])
            scores, state = model(inputs, tuple(part.detach() for part in state))
            loss = sum(cross_entropy(scores[:, step], targets[:, step]) for step in range(20))
            model.zero_grad()
            loss.backward()
            norm = torch.sqrt(sum((p.grad**2).sum() for p in model.parameters()))
            clipped += int(norm > 5)
            with torch.no_grad():
                for p in model.parameters():
                    p -= rate * p.grad * min(1.0, 5 / norm.item())
    rows = read_rows(result.folder)
    assert 0 < clipped < len(rows)
    weights = checkpoints.load(result.folder / "checkpoint.pt")["weights"]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-3)
    rates = [row["schedule/learning_rate"] for row in rows]
    assert rates == [rate for rate in (20.0, 10.0, 5.0) for _ in range(length // 20)]


def test_the_published_rate_is_halved_before_each_epoch_after_the_fourth():
    rate = word_lm.halving(4, 2.0)
    per_epoch = [{rate(epoch + step / 7) for step in range(7)} for epoch in range(13)]
    assert per_epoch == [{1.0}] * 4 + [{0.5**n} for n in range(1, 10)]


@pytest.mark.parametrize(
    "words",
    [
        ["--tied", "--cell", "gru", "--full-epochs", "1"],
        ["--depth", "2", "--dropout", "0.2", "--outer-dropout", "0.2", "--schedule", "cosine", "--keep", "best"],
        [
            "--weight-limit",
            "0",
            "--full-epochs",
            "1",
            "--init",
            "orthogonal",
            "--cell",
            "rnn",
            "--layers",
            "torch",
            "--evaluate-every",
            "2",
        ],
    ],
)
def test_every_setting_works(sentences, tmp_path, monkeypatch, capsys, words):
    few = [*SMALL, "--epochs", "2", "--track", "off", "--runs-dir", str(tmp_path / "runs")]
    monkeypatch.setattr("sys.argv", ["word_lm", "--data", str(sentences), *few, *words])
    word_lm.main()
    steps = 2 * -(-((len(word_lm.load(str(sentences), None).train)) // 20) // 20)
    assert f": finished after {steps} steps" in capsys.readouterr().out


def test_a_test_part_of_new_words_costs_a_lot_but_not_the_run(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("a b c\n" * 95 + "never seen before\n" * 5)
    config = word_lm.Config(data=str(path), hidden_size=4, embedding_size=4, epochs=1, track="off", runs_dir=tmp_path)
    result = word_lm.run(config)
    assert result.metrics["metric/perplexity/test"] > 4
    assert files.read_json(result.folder / "manifest.json")["data"] == {"mine": word_lm.load(str(path), None).sha256}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"a b\n" * 5, "5 lines, and at least 20 are needed"),
        (b"a\n" * 20, "36 words to train with are too few for --batch-size 40"),
        (b"a b\n" * 30 + b"\na\n", "line 31: an empty line"),
        (b"fine words\n" * 30 + b"n\xe9gligence\n", "line 31: byte 331"),
    ],
)
def test_a_text_that_cannot_be_used_ends_in_one_line_and_leaves_nothing(tmp_path, content, message):
    (tmp_path / "bad.txt").write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        word_lm.run(
            word_lm.Config(data=str(tmp_path / "bad.txt"), batch_size=40, runs_dir=tmp_path / "runs", track="off")
        )
    assert "\n" not in str(error.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "pdb"], "--data must be ptb, made, or the path of a .txt file, not pdb"),
        (["--data", "missing.txt"], "cannot read missing.txt"),
        (["--bidirectional"], "has seen what comes next"),
        (["--tied", "--embedding-size", "100"], "--tied needs --embedding-size 200"),
        (["--steps", "0"], "--steps must be at least 1"),
        (["--decay", "0.5"], "--decay must be at least 1"),
        (["--outer-dropout", "1"], "--outer-dropout must be at least 0 and below 1"),
        (["--weight-limit", "nan"], "--weight-limit must be 0 or more, and at most 1,000,000"),
        (["--full-epochs", "0"], "--full-epochs must be at least 1"),
    ],
)
def test_mistakes_end_with_one_line_and_exit_2(tmp_path, monkeypatch, capsys, words, message):
    monkeypatch.setattr("sys.argv", ["word_lm", *words, "--track", "off", "--runs-dir", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as stop:
        cli.main(word_lm.main, settle=False)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("experiment", "name"), [("word_lm", "ptb.train.txt"), ("tagging", "en_ewt-ud-train.conllu")])
def test_without_the_data_and_without_a_network_the_error_says_what_to_put_where(tmp_path, experiment, name):
    nowhere = {"https_proxy": "http://127.0.0.1:9", "no_proxy": ""}  # port 9 refuses
    words = ["--data-dir", tmp_path / "data", "--runs-dir", tmp_path / "runs", "--track", "off"]
    done = refused(f"experiments.{experiment}", *words, env=nowhere)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    for part in (name, "https://raw.githubusercontent.com/", str(tmp_path / "data"), "RNNKIT_DATA"):
        assert part in done.stderr
    assert not (tmp_path / "runs").exists()
