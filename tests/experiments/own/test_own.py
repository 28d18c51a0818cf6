"""Own data from file to answer: each kind of task, recorded, replayed, swept; settings by the data; refusals."""

import csv
import json
import re

import numpy as np
import pytest
import torch

from experiments import own, reproduce
from experiments.own import examples, nets, rules
from rnnkit.core import UserError, config
from rnnkit.nn import evaluating
from rnnkit.runs import Result, checkpoints
from rnnkit.sequences import collate, preprocessing
from rnnkit.sequences.examples import Examples
from tests.experiments.own.made import order_matters, words, write
from tests.helpers import refused, run_command, run_here


def tags(count=30):
    lines = [
        [("the", "D"), (("cat", "dog")[i % 2], "N"), (("sees", "runs")[i % 2], "V"), (f"w{i}", "N")]
        for i in range(count)
    ]
    return "\n".join("".join(f"{token}\t{tag}\n" for token, tag in one) for one in lines)


def sums(count=60):
    chance = np.random.default_rng(0)
    rows = [(i, v) for i in range(count) for v in chance.normal(0, 1, 4 + i % 3).round(3)]
    total = [sum(v for j, v in rows if j == i) for i in range(count)]
    return "id,v,sum\n" + "".join(f"{i},{v},{total[i]:.4f}\n" for i, v in rows)


def wave(count=200):
    return "t,heat\n" + "".join(f"{t},{10 + 3 * np.sin(2 * np.pi * t / 12) + t / 50:.4f}\n" for t in range(count))


CASES = {
    "label": ("order.csv", None, ["--target", "label"]),
    "text": ("words.csv", words(), ["--target", "label"]),
    "tags": ("tags.conll", tags(), []),
    "number": ("sums.csv", sums(), ["--target", "sum", "--task", "number"]),
    "forecast": ("wave.csv", wave(), ["--target", "heat", "--time", "t", "--horizon", "2"]),
}
QUICK = ["--updates", "60", "--hidden-size", "8", "--track", "off"]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Each kind of task, from its file to its record: data, folder, and what was printed."""
    folder = tmp_path_factory.mktemp("own")

    def trained(kind, monkeypatch, capsys):
        name, text, flags = CASES[kind]
        data = order_matters(folder / name) if text is None else write(folder / name, text)
        code, printed = run_here(own, monkeypatch, capsys, "--data", data, *flags, *QUICK, "--runs-dir", folder / kind)
        assert code == 0
        (found,) = (folder / kind).iterdir()
        return found, printed

    return trained


@pytest.mark.parametrize("kind", CASES)
def test_each_kind_of_task_goes_from_file_to_answer(kind, runs, monkeypatch, capsys):
    folder, printed = runs(kind, monkeypatch, capsys)
    assert "to train" in printed
    assert "only 6" in printed  # updates: whole epochs
    assert " updates, for --" in printed
    assert " on the same " in printed
    assert "test rows tell, and is cheaper" in printed or "better" in printed
    result, settings = Result.read(folder), json.loads((folder / "manifest.json").read_text())["config"]
    kept = checkpoints.trained(folder, result.weights_sha256)
    found = preprocessing.Preprocessing(
        **{k: tuple(v) if isinstance(v, list) else v for k, v in kept["preprocessing"].items()}
    )
    settled = config.restored(own.Config, settings)
    assert rules.is_settled(settled)
    data = examples.prepared(settled)
    model = nets.model(settled, found, data.train.inputs)
    model.load_state_dict(kept["weights"])
    with (folder / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    steps = int(data.test.lengths.sum()) if kind == "tags" else len(data.test)
    assert len(rows) == steps
    # One alone, and all together, as the file has it: with the weights and what was kept with them alone.
    place = int(data.places.test[0])
    alone = preprocessing.inputs(found, [data.own.inputs[place]])
    with evaluating(model):
        scores = model(collate(Examples(alone, data.test.targets[:1])).inputs)
    scores = scores.data if kind == "tags" else scores
    mine = [row for row in rows if row["row"] == str(data.own.lines[place])]
    if found.classes:
        shares = preprocessing.probabilities(found, scores)
        for row, share in zip(mine, shares, strict=True):
            assert row["prediction"] == found.classes[int(share.argmax())]
            assert [float(row[f"p({name})"]) for name in found.classes] == pytest.approx(share, abs=1e-6)
        right = np.mean([row["truth"] == row["prediction"] for row in rows])
        assert result.metrics["metric/accuracy/test"] == pytest.approx(right)
    else:
        base = preprocessing.linear_forecast(found, [data.own.inputs[place]]) if kind == "forecast" else None
        value = preprocessing.values(found, scores, base)[0]
        last = " 1" if kind == "forecast" else ""
        assert float(mine[0][f"prediction{last}"]) == pytest.approx(value[0], rel=1e-5)
        errors = [abs(float(row[f"truth{last}"]) - float(row[f"prediction{last}"])) for row in rows]
        if kind == "number":
            assert result.metrics["metric/mae/test"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert (folder / "media" / ("confusion.png" if found.classes else "answers.png")).stat().st_size > 1_000
    if kind in ("label", "forecast"):
        reproduce.replay_run(folder, reproduce.Options(run=str(folder), to=folder.parent / "again"))
        again = Result.read(next((folder.parent / "again").iterdir()))
        assert again.weights_sha256 == result.weights_sha256


def test_where_the_order_decides_the_net_is_better_and_where_it_does_not_it_says_so(tmp_path, monkeypatch, capsys):
    order_matters(tmp_path / "order.csv", 300)
    flags = ["--target", "label", "--track", "off", "--folds", "1", "--updates", "500", "--hidden-size", "16"]
    code, printed = run_here(
        own, monkeypatch, capsys, "--data", tmp_path / "order.csv", *flags, "--runs-dir", tmp_path / "a"
    )
    assert code == 0
    assert "The net is better than the best of the cheap models" in printed
    level = [f"{i},{t},{(i % 2) * 2 + 0.1 * ((i * 7 + t * 3) % 5)},{'ab'[i % 2]}" for i in range(100) for t in range(6)]
    write(tmp_path / "level.csv", "id,t,v,label\n" + "\n".join(level) + "\n")
    code, printed = run_here(
        own, monkeypatch, capsys, "--data", tmp_path / "level.csv", *flags, "--runs-dir", tmp_path / "b"
    )
    assert code == 0
    assert "as far as 20 test rows tell, and is cheaper" in printed


def test_each_fold_is_judged_by_the_net_that_did_not_see_it(tmp_path):
    data = str(order_matters(tmp_path / "order.csv", 60))
    settled = own.settle(own.Config(data=data, target="label", folds=3, hidden_size=4, head_dropout=0.0))
    prepared = examples.prepared(settled)
    model = nets.model(settled, prepared.preprocessing, prepared.train.inputs)
    weights = [next(member.head.parameters()) for member in model.members]
    assert not any(torch.equal(one, other) for one, other in zip(weights, weights[1:], strict=False))
    cost = nets.cost_of(settled, prepared)
    batch = collate(prepared.train)
    scores = model(batch.inputs)
    cost(scores, batch.targets).backward()
    for fold, member in enumerate(model.members):  # the same as training each alone on the others
        kept = (batch.targets[:, -1] != fold).nonzero().flatten().tolist()
        alone = collate(prepared.train.subset(kept))
        before = [part.grad.clone() for part in member.parameters()]
        member.zero_grad()
        torch.nn.functional.cross_entropy(member(alone.inputs), alone.targets[:, 0]).backward()
        for part, expected in zip(member.parameters(), before, strict=True):
            torch.testing.assert_close(part.grad, expected)
    row, shares = nets.measured(settled, prepared, model, prepared.valid, "valid")
    places = batch.targets[:, -1]
    with evaluating(model):
        by_member = model(collate(prepared.valid).inputs).view(len(places), 3, 2).softmax(2)
    expected = by_member[range(len(places)), places].double().numpy()
    np.testing.assert_allclose(shares, expected, atol=1e-6)
    right = (expected.argmax(1) == prepared.valid.targets[:, 0].numpy()).mean()
    assert row["metric/accuracy/valid"] == pytest.approx(right)


def test_nothing_of_the_test_part_reaches_the_preprocessing(tmp_path):
    path = order_matters(tmp_path / "order.csv", 60)
    settled = own.settle(own.Config(data=str(path), target="label", folds=1))
    before = examples.prepared(settled)
    rows = path.read_text().splitlines()
    test = {before.own.ids[i] for i in before.places.test}
    rows = [re.sub(r",[^,]*,", ",900,", row, count=1) if row.split(",")[0] in test else row for row in rows]
    other = write(tmp_path / "other.csv", "\n".join(rows) + "\n")
    after = examples.prepared(settled.changed(data=str(other)))
    assert after.preprocessing == before.preprocessing
    assert float(after.test.inputs[0][0, 0]) > 100


def test_trials_share_examples_and_baselines_with_those_that_depend_on_no_other_setting(tmp_path):
    data = write(tmp_path / "words.csv", words())
    settled = own.settle(own.Config(data=str(data), target="label", folds=1))
    rarer, watched = settled.changed(least_count=5, hidden_size=3), settled.changed(watch="accuracy")
    assert examples.prepared(settled) is examples.prepared(settled.changed(seed=9, hidden_size=3))
    assert examples.prepared(settled).preprocessing != examples.prepared(rarer).preprocessing

    def key(config):
        return examples.ByKey(config, examples.BESIDE)

    assert key(settled) == key(rarer)
    assert (key(settled) == key(watched)) == (settled.watch == "accuracy")
    assert key(settled) != key(settled.changed(split_seed=1))


@pytest.mark.parametrize("gaps", ["auto", "on"])
def test_a_file_is_read_once_and_kept_once(tmp_path, monkeypatch, gaps):
    read, times = examples.read, []
    monkeypatch.setattr(examples, "read", lambda *given: times.append(given) or read(*given))
    text = "id,time,v,label\n" + "".join(f"{i},{t},{i * t % 7},{i % 3}\n" for i in range(30) for t in range(1, 5))
    data = str(write(tmp_path / "x.csv", text))
    settled = own.settle(own.Config(data=data, target="label", gaps=gaps))
    assert examples.prepared(settled).own is examples.divided(settled)[0]
    assert (settled.task, len(times)) == ("label", 1)
    assert examples.divided(settled.changed(task="number"))[0].answers == "number"
    assert len(times) == 2


def test_settled_settings_stay_as_they_are_and_give_the_same_run(tmp_path, capsys):
    path = order_matters(tmp_path / "order.csv", 60)
    settled = own.settle(own.Config(data=str(path), target="label"))
    assert "60 sequences of" in capsys.readouterr().out
    assert own.settle(settled) is settled
    assert capsys.readouterr().out == ""
    assert settled.folds == 5
    assert own.OBJECTIVE(settled).metric == "metric/accuracy/valid"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"updates": 4}, "only 4 updates, for --updates 4: more may do better"),
        ({"updates": 5}, "only 6 updates, for --updates 5, in whole epochs: more may do better"),
        ({"epochs": 1}, "only 2 updates, for --epochs 1: more may do better"),
    ],
)
def test_a_length_of_training_that_was_told_is_not_said_to_follow_from_the_data(tmp_path, capsys, given, said):
    path = order_matters(tmp_path / "order.csv", 60)
    own.settle(own.Config(data=str(path), target="label", folds=1, batch_size=18, **given))
    lines = capsys.readouterr().out.splitlines()
    assert said in lines
    assert not any(line.startswith("by the data") and "(--updates)" in line for line in lines)


def test_a_length_of_training_that_the_data_decide_is_said_to(tmp_path, capsys):
    path = order_matters(tmp_path / "order.csv", 60)
    own.settle(own.Config(data=str(path), target="label"))
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("by the data: ") and "updates (--updates)" in line for line in lines)
    assert not any(line.startswith("only ") for line in lines)


def test_a_study_of_own_data_is_named_by_its_file_and_searches_what_fits(tmp_path):
    data = write(tmp_path / "my words.csv", words())
    flags = ["--data", data, "--target", "label", "--updates", "8", "--folds", "1"]
    sweep = ["--trials", "2", "--sampler", "random", "--confirm", "0", "--track", "off", "--workers", "1"]
    done = run_command("sweeps.run", "own", *sweep, "--runs-dir", tmp_path / "runs", "--", *flags)
    assert done.returncode == 0, done.stderr
    study = json.loads((tmp_path / "runs" / "studies" / "own-my-words-s0" / "study.json").read_text())
    assert {"word_dropout", "least_count", "pool", "embedding_size"} <= set(study["space"]["tuned"])
    assert study["space"]["metric"] == "metric/accuracy/valid"
    assert "study own-my-words-s0: 2 trials" in done.stdout


def test_what_cannot_be_used_ends_in_one_line(tmp_path):
    assert "--data FILE is needed" in refused("experiments.own", "--track", "off").stderr
    path = write(tmp_path / "x.csv", "v1,v2,label\n" + "".join(f"{i},2,a\n" for i in range(12)))
    with pytest.raises(UserError, match="has the label 'a': two labels are needed"):
        own.settle(own.Config(data=str(path), target="label"))
    assert not (tmp_path / "runs").exists()
