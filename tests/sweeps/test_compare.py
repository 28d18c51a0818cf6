"""What `make compare` and `make table` print, and what other commands give as JSON or in a file."""

import csv
import json
import math

import pytest
from pyarrow import parquet

from rnnkit.core import UserError, files
from sweeps import compare, runs, show, table
from sweeps.reading import RunIndex
from tests.sweeps import made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of two cells on five seeds each: gru has a bit less on the test part, on two seeds a tenth less so."""
    runs_dir = tmp_path_factory.mktemp("compared")
    for cell, base in (("lstm", 0.90), ("gru", 0.89)):
        for seed in range(5):
            path = made.run(runs_dir, seed=seed, cell=cell, steps=10)
            found = files.read_json(path / "result.json")
            score = base + 0.002 * seed + (0.001 if cell == "gru" and seed % 3 == 0 else 0)
            found["metrics"] |= {"metric/accuracy/test": score, "metric/macro_f1/test": score - 0.1}
            found["parameters"] = 1_000 if cell == "gru" else 1_300
            files.write_json(path / "result.json", found)
    return runs_dir


@pytest.fixture
def printed(folder, monkeypatch, capsys):
    """Runs a command on these runs, and gives what it prints."""

    def run(command, *words, runs_dir=folder):
        monkeypatch.setattr("sys.argv", [command.__name__, *words, "--runs-dir", str(runs_dir)])
        command.main()
        return capsys.readouterr().out

    return run


def test_two_cells_are_compared_in_a_line(printed):
    lines = printed(compare, "digits-s*").splitlines()
    assert lines[0] == "Test accuracy, share of answers; higher is better"
    head, lstm, gru = (line.split() for line in lines[2:5])
    assert head[-2:] == ["seeds", "parameters"]
    assert (lstm[:3], lstm[-2:]) == (["cell", "lstm", "0.9040"], ["5", "1,300"])
    assert (gru[:3], gru[-2:]) == (["cell", "gru", "0.8944"], ["5", "1,000"])
    said = "\n".join(lines)
    assert "Best: cell lstm, with a better test accuracy than each of the others." in said
    assert "  cell lstm is better than cell gru: +0.0096, 95 % interval +0.0089 to +0.0103, p " in said
    assert "  again: for seed in 0 1 2 3 4; do python -m experiments.digits --cell lstm --seed $seed; done" in lines


def test_as_json_it_has_every_pair_and_digit(printed):
    found = json.loads(printed(compare, "digits-s*", "--by", "cell", "--json"))
    assert found["metric"] == "metric/accuracy/test"
    assert [mean["group"] for mean in found["means"]] == ["cell lstm", "cell gru"]
    assert found["means"][0]["mean"] == pytest.approx(0.904, abs=1e-12)
    (pair,) = found["pairs"]
    assert (pair["first"], pair["second"], pair["seeds"], pair["supported"]) == ("cell lstm", "cell gru", 5, True)
    assert len(found["groups"][0]["runs"]) == 5
    assert found["sentences"][0].startswith("Best: cell lstm")


def test_another_metric_is_asked_for_by_name(printed):
    assert printed(compare, "digits-s*", "--metric", "macro_f1").startswith("Test macro f1; higher is better")
    assert printed(compare, "digits-s*", "--metric", "metric/accuracy/valid").startswith("Validation accuracy")


@pytest.mark.parametrize(
    ("command", "words", "why"),
    [
        (compare, [], "name studies or runs to compare"),
        (table, [], "name a study or runs for the table"),
        (compare, ["digits-s*:cell=lstm"], "is one group alone: name another beside it, or split it by a setting"),
        (
            compare,
            ["digits-s*", "--metric", "perplexity"],
            r"have a test perplexity; choose one with --metric: metric/acc",
        ),
        (
            table,
            ["digits-s*", "--metrics", "perplexity"],
            "have a test perplexity: choose with --metrics among metric/acc",
        ),
        (compare, ["nothing"], "there is no study and no run nothing"),
        (table, ["nothing"], "there is no study and no run nothing"),
    ],
)
def test_what_cannot_be_compared_is_one_line(printed, command, words, why):
    with pytest.raises(UserError, match=why):
        printed(command, *words)


def test_runs_that_are_judged_differently_need_a_metric(printed, tmp_path):
    one, other = made.run(tmp_path, seed=0, steps=10), made.run(tmp_path, seed=1, steps=10)
    found = files.read_json(other / "result.json")
    found["metrics"] = {"metric/perplexity/valid": 3.0, "metric/macro_f1/test": 0.5}
    files.write_json(other / "result.json", found)
    with pytest.raises(UserError, match="these are judged differently, digits by accuracy and digits by perplexity"):
        printed(compare, one.name, other.name, runs_dir=tmp_path)


def test_runs_of_every_kind_are_compared_or_refused_in_a_line(printed, kinds):
    """Whatever their files hold. Of the copies of one run, which have its seed, one counts."""
    out = printed(compare, "*:cell=gru", "--metric", "accuracy", "--by", "hidden_size,depth", runs_dir=kinds[0])
    assert "too few" in out
    assert "cell lstm" in printed(compare, "*", "--by", "cell", runs_dir=kinds[0])
    assert " none" not in printed(compare, "*", runs_dir=kinds[0])
    for name in ("digits-s0-bare", "digits-s0-torn", "torn", "empty"):
        with pytest.raises(UserError, match="no run of these has finished yet"):
            printed(compare, name, runs_dir=kinds[0])


def test_a_table_is_printed_in_each_format(printed):
    text = printed(table, "digits-s*", "--by", "cell")
    assert "| cell lstm | **0.9040 ± 0.0032 (5)** | **0.8040 ± 0.0032 (5)** | 1,300 |" in text
    assert "corrected for 2 comparisons" in text
    assert r"$\mathbf{0.9040 \pm 0.0032}$ (5)" in printed(table, "digits-s*", "--format", "latex")
    rows = list(csv.DictReader(printed(table, "digits-s*", "--format", "csv", "--metrics", "accuracy").splitlines()))
    assert {(row["group"], row["bold"]) for row in rows} == {("cell lstm", "True"), ("cell gru", "False")}
    assert len(rows[0]["runs"].split()) == 5


def test_all_runs_go_into_a_file_with_every_setting_and_score(printed, folder, tmp_path):
    path = tmp_path / "all.csv"
    assert printed(runs, "--file", str(path), "--last", "1").startswith("10 runs, in ")
    rows = {row["run"]: row for row in csv.DictReader(path.read_text().splitlines())}
    assert len(rows) == 10
    for card in RunIndex(folder).runs():
        row = rows[card.name]
        assert (row["state"], int(row["seed"]), row["config/cell"]) == ("finished", card.seed, card.config["cell"])
        assert float(row["metric/accuracy/test"]) == card.test
        assert row["study"] == ""
    assert not any(name == "config/seed" for name in row)


def test_a_parquet_file_has_the_same_with_types(printed, folder, tmp_path):
    path, plain = tmp_path / "all.parquet", tmp_path / "all.csv"
    printed(runs, "--file", str(path))
    printed(runs, "--file", str(plain))
    found = parquet.read_table(path)
    assert found.column_names == plain.read_text().splitlines()[0].split(",")
    assert sorted(found["metric/accuracy/test"].to_pylist()) == sorted(card.test for card in RunIndex(folder).runs())
    assert found.schema.field("seed").type == "int64"


@pytest.mark.parametrize("ending", ["txt", ""])
def test_a_file_of_another_kind_is_refused(printed, tmp_path, ending):
    with pytest.raises(UserError, match=r"--file must be a name that ends with \.csv or \.parquet, not"):
        printed(runs, "--file", str(tmp_path / f"all.{ending}"))
    with pytest.raises(UserError, match="cannot write"):
        printed(runs, "--file", str(tmp_path / "none" / "all.csv"))


def test_runs_of_every_kind_are_exported_and_as_json(printed, kinds, tmp_path):
    path = tmp_path / "kinds.csv"
    printed(runs, "--file", str(path), runs_dir=kinds[0])
    assert len(list(csv.DictReader(path.read_text().splitlines()))) == len(RunIndex(kinds[0]).runs())
    found = json.loads(printed(runs, "--json", "--last", "0", runs_dir=kinds[0]))
    assert {run["name"] for run in found["runs"]} == {card.name for card in RunIndex(kinds[0]).runs()}
    (small,) = [study for study in found["studies"] if study["name"] == "small"]
    assert small["counts"] == {"finished": 5, "pruned": 1, "diverged": 1}
    few = json.loads(printed(runs, "--json", "--last", "2", runs_dir=kinds[0]))
    assert (len(few["runs"]), few["more"]) == (2, len(found["runs"]) - 2)


def test_a_run_and_a_study_are_shown_as_json(printed, kinds):
    name = kinds[1]["flagged"].name
    found = json.loads(printed(show, name, "--json", runs_dir=kinds[0]))
    assert (found["kind"], found["state"], found["result"]["comparison"]["examples"]) == ("run", "finished", 360)
    assert found["manifest"]["config"]["cell"] == "lstm"
    assert "logged" not in found
    curve = json.loads(printed(show, name, "--json", "--all", runs_dir=kinds[0]))["logged"]["loss/valid"]
    assert curve["steps"] == [10, 20, 30, 40, 50, 60]
    study = json.loads(printed(show, "small", "--json", runs_dir=kinds[0]))
    assert (study["kind"], len(study["trials"]), study["summary"]["best"]["trial"]) == ("study", 11, 4)
    assert study["answer"][0].startswith("Best: trial 4")


@pytest.mark.parametrize("kind", ["pruned", "torn", "no result", "no manifest", "hostile", "live"])
def test_a_run_of_any_kind_is_json(printed, kinds, kind):
    found = json.loads(printed(show, str(kinds[1][kind]), "--json", "--all", runs_dir=kinds[0]))
    assert found["name"] == kinds[1][kind].name
    assert not any(isinstance(value, float) and not math.isfinite(value) for value in found.values())
