"""Music: what it counts, against loops written out here, and a run on made chords whose best possible is known."""

import json
import math

import pytest
import torch

from experiments import music
from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.datasets import jsb_chorales
from rnnkit.datasets.generated import made_chords
from rnnkit.nn import models
from rnnkit.runs.rows import read_rows
from tests.helpers import data_at_hand, refused


QUICK = ["--data", "made", "--depth", "1", "--hidden-size", "8", "--epochs", "1", "--track", "off"]


def best_possible(pieces):
    """What a step of made chords costs who knows the rules: the second chord of a phrase is one of three, in nats."""
    total = steps = 0
    for roll in pieces:
        rolls = {t: [row(made_chords.notes(p[1], t)) for p in made_chords.PHRASES] for t in made_chords.TONICS}
        (tonic,) = [t for t in made_chords.TONICS if torch.equal(row(made_chords.notes("I", t)), roll[0])]
        shares = torch.stack(rolls[tonic]).mean(0)
        steps += len(roll) - 1
        for sounding in roll[1::4]:
            total -= sum(math.log(p if on else 1 - p) for p, on in zip(shares.tolist(), sounding.bool(), strict=True))
    return total / steps


def row(notes):
    return torch.isin(torch.arange(21, 109), torch.tensor(notes)).float()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    words = {"learning_rate": 0.02, "epochs": 8, "batch_size": 4, "key_dropout": 0.0, "head_dropout": 0.0}
    runs = tmp_path_factory.mktemp("music")
    config = music.Config(data="made", cell="gru", depth=1, hidden_size=48, track="off", runs_dir=runs, **words)
    return music.run(config)


def test_a_net_learns_the_rules_of_made_chords_and_no_more_than_can_be_known(trained):
    nats, best = trained.metrics["metric/nats_per_step/test"], best_possible(made_chords.load().test)
    assert 1.1 < best < 1.3
    assert best - 0.02 < nats < best + 0.3
    # One who knows only the chord before cannot tell a first chord from a last one.
    assert all(reference.value > 2 * nats for reference in trained.references)
    rows = read_rows(trained.folder)
    assert len(rows) == 8 * 30
    assert {"grad_norm/encoder.l0.f/hh", "grad_norm/head", "hidden/encoder.l0.f/rms"} <= set(rows[-1])
    kept = min(row["metric/nats_per_step/valid"] for row in rows if "metric/nats_per_step/valid" in row)
    assert trained.metrics["metric/nats_per_step/valid"] == kept


def rolls(*lengths):
    generator = torch.Generator().manual_seed(0)
    return [(torch.rand(n, 88, generator=generator) < 0.05).float() for n in lengths]


@pytest.mark.parametrize("cell", ["rnn", "gru", "lstm"])
def test_all_keys_of_all_steps_are_counted_piece_by_piece(cell):
    pieces = rolls(7, 2, 30, 12)
    pieces[2][5] = 0  # a rest is a step as any other
    config = music.Config(cell=cell, hidden_size=6)
    model = models.tagger(config, 88, 88, longest=30, head_dropout=0.5).train()
    examples = jsb_chorales.next_steps(pieces)
    found, nats = music.measured(model, examples, "test")
    assert model.training
    model.eval()
    expected = []
    for piece in pieces:
        total = 0.0
        for t in range(1, len(piece)):  # nothing but what came before
            with torch.no_grad():
                output, _ = model.encoder(piece[:t].unsqueeze(1))
            chances = torch.sigmoid(model.head(output[-1, 0]).double()).tolist()
            for chance, sounds in zip(chances, piece[t].tolist(), strict=True):
                total -= math.log(chance if sounds else 1 - chance)
        expected.append(total)
    assert nats.tolist() == pytest.approx(expected, rel=1e-5)
    assert examples.lengths.tolist() == [6, 1, 29, 11]
    assert found["metric/nats_per_step/test"] == pytest.approx(sum(expected) / 47, rel=1e-5)
    by_piece = sum(total / n for total, n in zip(expected, [6, 1, 29, 11], strict=True)) / 4
    assert found["metric/nats_per_step_by_piece/test"] == pytest.approx(by_piece, rel=1e-5)
    assert found["metric/nats_per_step_by_piece/test"] != pytest.approx(sum(expected) / 47, rel=1e-4)


def test_more_pieces_than_a_batch_change_nothing():
    examples = jsb_chorales.next_steps(rolls(*([5, 9, 3] * 100)))
    model = models.tagger(music.Config(hidden_size=4), 88, 88, longest=9)
    _, nats = music.measured(model, examples, "test")
    _, some = music.measured(model, examples.subset(range(250, 300)), "test")
    assert nats[250:].tolist() == pytest.approx(some.tolist(), rel=1e-6)


def counted_by_hand(pieces, test):
    """The two baselines, counted key by key in plain Python."""
    after = {(key, before): [0.5, 0.5] for key in range(88) for before in (None, 0, 1)}
    for piece in pieces:
        for before, now in zip(piece.int().tolist(), piece.int().tolist()[1:], strict=False):
            for key in range(88):
                after[key, None][now[key]] += 1
                after[key, before[key]][now[key]] += 1
    costs = [0.0, 0.0]
    for piece in test:
        for before, now in zip(piece.int().tolist(), piece.int().tolist()[1:], strict=False):
            for key in range(88):
                for i, counts in enumerate((after[key, None], after[key, before[key]])):
                    costs[i] -= math.log(counts[now[key]] / sum(counts))
    steps = sum(len(piece) - 1 for piece in test)
    return [cost / steps for cost in costs]


def test_the_baselines_are_what_counts_give(trained):
    found = made_chords.load()
    expected = counted_by_hand(found.train, found.test)
    assert [reference.value for reference in trained.references] == pytest.approx(expected, rel=1e-5)


def test_the_baselines_on_the_chorales():
    folder = data_at_hand("jsb_chorales")
    assert list(music.baselines("jsb", folder).values()) == pytest.approx([11.0910, 10.4907], abs=1e-4)


def test_it_starts_from_the_frequencies():
    train = jsb_chorales.next_steps(made_chords.load().train)
    model = models.tagger(music.Config(hidden_size=4), 88, 88, longest=32, head_dropout=0.5)
    music.start_from_frequencies(model, train)
    linear = model.head[-1]
    torch.nn.init.zeros_(linear.weight)
    test = jsb_chorales.next_steps(made_chords.load().test)
    found, _ = music.measured(model, test, "test")
    assert found["metric/nats_per_step/test"] == pytest.approx(music.baselines("made", None)["each key's frequency"])


@pytest.mark.parametrize(
    "words",
    [
        ["--cell", "rnn", "--depth", "2", "--dropout", "0.2", "--layers", "torch"],
        [
            "--cell",
            "gru",
            "--init",
            "orthogonal",
            "--key-dropout",
            "0",
            "--head-dropout",
            "0",
            "--optimizer",
            "rmsprop",
        ],
        ["--init", "chrono", "--evaluate-every", "4", "--schedule", "cosine"],
    ],
)
def test_every_setting_works(tmp_path, monkeypatch, capsys, words):
    monkeypatch.setattr("sys.argv", ["music", *QUICK, "--runs-dir", str(tmp_path), *words])
    music.main()
    said = capsys.readouterr().out
    assert ": finished after 15 steps" in said
    assert "nats per step (test): " in said
    assert "each key's frequency, by whether it sounded before: nats per step (test) " in said
    assert "published" not in said  # nobody published anything on made chords


def test_keys_are_dropped_in_training_alone(tmp_path, monkeypatch):
    heard = []
    forward = models.Tagger.forward

    def listening(model, inputs):
        heard.append((model.training, inputs.data))
        return forward(model, inputs)

    monkeypatch.setattr(models.Tagger, "forward", listening)
    words = {"depth": 1, "hidden_size": 4, "epochs": 1, "key_dropout": 0.75}
    music.run(music.Config(data="made", track="off", runs_dir=tmp_path, **words))
    for training, rows in heard:
        assert set(rows.unique().tolist()) == ({0.0, 4.0} if training else {0.0, 1.0})
    kept = torch.cat([rows for training, rows in heard if training])
    sounding = sum(len(roll) - 1 for roll in made_chords.load().train) * 4
    assert kept.count_nonzero() / sounding == pytest.approx(0.25, abs=0.03)


def test_pieces_of_ones_own(tmp_path, monkeypatch, capsys):
    path = tmp_path / "mine.json"
    piece = [[60, 64, 67], [], [62, 65]] * 3
    path.write_text(json.dumps(dict.fromkeys(jsb_chorales.PARTS, [piece, piece[:4]])))
    words = ["--data", str(path), *QUICK[2:], "--runs-dir", str(tmp_path / "runs")]
    monkeypatch.setattr("sys.argv", ["music", *words])
    music.main()
    assert ": finished after 1 steps" in capsys.readouterr().out
    (folder,) = (tmp_path / "runs").iterdir()
    assert list(files.read_json(folder / "manifest.json")["data"]) == ["mine"]


def test_pieces_that_cannot_be_used_leave_nothing(tmp_path):
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(dict.fromkeys(jsb_chorales.PARTS, [[[60], [61, 200]]])))
    with pytest.raises(UserError, match="bad.json, train, piece 0, step 1: note 200 is not a whole number in 21..108"):
        music.run(music.Config(data=str(path), runs_dir=tmp_path / "runs", track="off"))
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "jbs"], "--data must be jsb, made, or the path of a .json file, not jbs"),
        (["--data", "missing.json"], "cannot read missing.json: No such file or directory"),
        (["--bidirectional"], "has heard what comes next"),
        (["--head-dropout", "1"], "--head-dropout must be at least 0 and below 1"),
        (["--key-dropout", "-0.1"], "--key-dropout must be at least 0 and below 1"),
    ],
)
def test_mistakes_end_with_one_line_and_exit_2(tmp_path, monkeypatch, capsys, words, message):
    from rnnkit.core import cli

    monkeypatch.setattr("sys.argv", ["music", *words, "--track", "off", "--runs-dir", str(tmp_path / "runs")])
    with pytest.raises(SystemExit) as stop:
        cli.main(music.main, settle=False)
    assert stop.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_without_the_data_and_without_a_network_the_error_says_what_to_put_where(tmp_path):
    nowhere = {"https_proxy": "http://127.0.0.1:9", "no_proxy": ""}  # port 9 refuses
    words = ["--data-dir", tmp_path / "data", "--runs-dir", tmp_path / "runs", "--track", "off"]
    done = refused("experiments.music", *words, env=nowhere)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    for part in ("jsb-chorales-quarter.json", "https://raw.githubusercontent.com", "RNNKIT_DATA"):
        assert part in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_on_the_chorales_the_published_number_stands_beside(tmp_path, cell):
    data = data_at_hand("jsb_chorales")
    words = {"depth": 1, "hidden_size": 4, "epochs": 1, "batch_size": 32}
    result = music.run(music.Config(cell=cell, data_dir=data, track="off", runs_dir=tmp_path, **words))
    assert [r.value for r in result.references if r.kind == "published"] == [music.PUBLISHED[cell]]
    # Before it has learned more than a little, a net knows the frequencies, which is what it started from.
    assert result.metrics["metric/nats_per_step/test"] < 11.3
