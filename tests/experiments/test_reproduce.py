"""Runs that are trained again from their manifests, and what is said where they differ."""

import json
import shutil

import pytest

from experiments import digits, recorded, reproduce, resume
from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.runs import replay, tracking
from rnnkit.runs.folders import find
from rnnkit.runs.result import Result
from rnnkit.runs.rows import read_rows
from tests.helpers import run_here


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """The folder of a small run."""
    runs = tmp_path_factory.mktemp("original")
    config = digits.Config(view="rows", epochs=2, hidden_size=6, dropout=0.2, track="off", runs_dir=runs)
    with pytest.MonkeyPatch.context() as patch:
        right = digits.baseline(0)
        patch.setattr(digits, "baseline", lambda seed: right)
        yield digits.run(config).folder


@pytest.fixture
def changed(original, tmp_path):
    """Copies the small run, with what a function makes of one of its JSON files."""

    def copy(name=None, change=lambda values: None):
        folder = tmp_path / original.name
        shutil.copytree(original, folder)
        if name:
            values = files.read_json(folder / name)
            change(values)
            files.write_json(folder / name, values)
        return folder

    return copy


def test_a_replay_is_identical_and_lies_beside_the_run(changed, monkeypatch, capsys):
    folder = changed()
    code, said = run_here(reproduce, monkeypatch, capsys, folder)
    assert code == 0
    rows = read_rows(folder)
    values = sum(not k.startswith("speed/") for row in rows for k in row)
    values += sum(not k.startswith("speed/") for k in Result.read(folder).metrics) + 1
    assert said.splitlines()[0] == f"identical: {folder.name}, {values:,} values and the weights"
    assert Result.read(folder.parent / "reproduced" / folder.name).status == "finished"


def test_a_place_for_the_replay_that_cannot_be_written_is_named_with_the_flag(changed, tmp_path, monkeypatch):
    folder = changed()
    (tmp_path / "file").touch()
    monkeypatch.setattr("sys.argv", ["reproduce", str(folder), "--to", str(tmp_path / "file" / "replays")])
    with pytest.raises(UserError, match=r"^cannot write .*replays \(Not a directory\): .* with --to$"):
        reproduce.main()


@pytest.mark.parametrize("status", ["pruned", "diverged"])
def test_a_run_that_was_cut_short_ends_at_the_same_step(status, tmp_path, monkeypatch, capsys):
    words = {"view": "rows", "epochs": 3, "hidden_size": 4, "depth": 1, "track": "off", "runs_dir": tmp_path}
    if status == "diverged":
        words |= {"cell": "rnn", "learning_rate": 1e38, "clip": 0}

    def report(evaluation, value):
        if evaluation == 2:
            raise tracking.Pruned

    result = digits.run(digits.Config(**words), report)
    assert result.status == status
    code, said = run_here(reproduce, monkeypatch, capsys, result.folder)
    assert code == 0
    assert said.startswith("identical")
    assert Result.read(tmp_path / "reproduced" / result.run).step == result.step


def test_trials_of_a_sweep_are_identical_though_they_ran_beside_others(swept, tmp_path, monkeypatch, capsys):
    runs, _ = swept
    by_status = {Result.read(folder).status: folder for folder in sorted(runs.glob("digits-*"))}
    assert "finished" in by_status
    for folder in by_status.values():
        code, said = run_here(reproduce, monkeypatch, capsys, folder.name, "--runs-dir", runs, "--to", tmp_path)
        assert (code, said.splitlines()[0].split(",")[0]) == (0, f"identical: {folder.name}")


def test_the_first_difference_is_named_with_both_values(changed, monkeypatch, capsys):
    folder = changed()
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    row = json.loads(rows[6])
    true = row["grad_norm/head"]
    rows[6] = json.dumps({**row, "grad_norm/head": true + 1e-9})
    (folder / "metrics.jsonl").write_text("\n".join(rows) + "\n")
    code, said = run_here(reproduce, monkeypatch, capsys, folder)
    assert code == 1
    assert f"first difference at step 7, grad_norm/head: {true + 1e-9} and {true} (original and replay)" in said


@pytest.mark.parametrize("left", [-2, 0])
def test_rows_that_are_missing_are_noticed(left, changed, monkeypatch, capsys):
    folder = changed()
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    kept = rows[:left]
    (folder / "metrics.jsonl").write_text("".join(f"{row}\n" for row in kept))
    code, said = run_here(reproduce, monkeypatch, capsys, folder)
    assert code == 1
    assert f"the records have {len(kept)} rows and {len(rows)} rows: they agree up to step {len(kept)}" in said


def test_other_weights_are_noticed(changed, monkeypatch, capsys):
    folder = changed("result.json", lambda values: values.update(weights_sha256="0"))
    code, said = run_here(reproduce, monkeypatch, capsys, folder)
    assert code == 1
    assert "first difference at weights: 0 and " in said


def test_a_note_beside_the_code_is_no_difference():
    clean, noted, other = (
        {"git": {"commit": "a", "dirty": dirty, "changes": changes}, "parts": []}
        for dirty, changes in ((False, None), (True, None), (True, "b"))
    )
    assert replay.surroundings(clean, noted) == []
    assert replay.surroundings(clean, other) == [("git changes", None, "b")]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m["versions"].update(torch="1.0"), "versions torch differs: 1.0 and "),
        (lambda m: m["machine"].update(processor="abacus"), "machine processor differs: abacus and "),
        (lambda m: m["data"].update(digits="0"), "data digits differs: 0 and "),
        (lambda m: m["git"].update(commit="0"), "git commit differs: 0 and "),
        (lambda m: m["git"].update(dirty="?"), "git dirty differs: ? and "),
        (lambda m: m["git"].update(changes="0"), "git changes differs: 0 and "),
        (lambda m: m["numerics"].update(flush_denormal=None), "numerics flush_denormal differs: None and "),
        (lambda m: m.update(seed=7), "seed differs: 7 and 0"),
    ],
)
def test_other_surroundings_are_named(change, named, changed, monkeypatch, capsys):
    code, said = run_here(reproduce, monkeypatch, capsys, changed("manifest.json", change))
    assert code == 0
    assert said.startswith("identical")
    assert named in said


@pytest.mark.parametrize(
    ("field", "value", "flag"),
    [
        ("learning_rate", 0.5, "--learning-rate"),
        ("seed", 7, "--seed"),
        ("cell", "rnn", "--cell"),
        ("epochs", 3, "--epochs"),
    ],
)
def test_a_configuration_that_was_changed_by_hand_is_refused_with_the_field(field, value, flag, changed):
    folder = changed("manifest.json", lambda manifest: manifest["config"].update({field: value}))
    true = getattr(digits.Config(view="rows", epochs=2, hidden_size=6, dropout=0.2), field)
    with pytest.raises(UserError, match=rf"was changed: {flag} is {value} in its config, {true} in its command"):
        recorded.settings(folder)


def test_what_is_looked_at_is_named_where_it_was_changed_by_hand(changed, monkeypatch, capsys):
    """It is no part of the run's name, so that the replay is made, and differs."""
    folder = changed("manifest.json", lambda manifest: manifest["config"].update(observe="off"))
    code, said = run_here(reproduce, monkeypatch, capsys, folder)
    assert code == 1
    assert "--observe is off in its config, light in its command: one of them was changed" in said


def test_what_was_changed_by_hand_is_named_also_where_it_changes_nothing(changed, monkeypatch, capsys):
    folder = changed("manifest.json", lambda values: values["config"].update(observe_every=101))
    code, said = run_here(reproduce, monkeypatch, capsys, folder)
    assert code == 0
    assert said.startswith("identical: ")
    assert "  --observe-every is 101 in its config, 100 in its command: one of them was changed" in said


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda m: m.update(experiment="memory"), "was changed: its experiment is memory, its run digits-s0-"),
        (lambda m: m.update(experiment="nothing"), "was changed: its experiment is nothing"),
        (lambda m: m.update(run="digits-s0-00000000"), "are of two runs, digits-s0-00000000 and digits-s0-"),
        (lambda m: m.update(config=None), "is damaged: its config is None"),
        (lambda m: m["config"].update(depth="2"), "another version of digits: its depth is '2'"),
        (lambda m: m["config"].update(depth=2.5), "another version of digits: its depth is 2.5"),
        (lambda m: m["config"].update(depth=3) or m.update(command="python -m x --help"), "its config is not that of"),
        (lambda m: m.pop("threads"), "is damaged: its threads is not there"),
    ],
)
def test_a_manifest_that_is_damaged_or_changed_is_one_line(change, named, changed, monkeypatch):
    folder = changed("manifest.json", change)
    monkeypatch.setattr("sys.argv", ["command", str(folder)])
    with pytest.raises(UserError, match=named):
        reproduce.main()


def test_a_row_that_is_damaged_is_named(changed, monkeypatch):
    folder = changed()
    rows = (folder / "metrics.jsonl").read_text().splitlines()
    (folder / "metrics.jsonl").write_text("\n".join([*rows[:3], rows[3][:20], *rows[4:]]) + "\n")
    monkeypatch.setattr("sys.argv", ["command", str(folder)])
    with pytest.raises(UserError, match=r"metrics.jsonl, line 4 is damaged: it is not a row of a run"):
        reproduce.main()


def test_runs_are_found_by_name_by_path_and_by_their_id_at_wandb(original, monkeypatch):
    runs, name = original.parent, original.name
    inside = original / "wandb" / "offline-run-20260101_000000-x"
    inside.mkdir(parents=True)
    for given in (name, original, original / "metrics.jsonl", inside, f"{name}-1a2001e782e"):
        assert find(str(given), runs).resolve() == original.resolve()
    with pytest.raises(UserError, match="there is no run nothing"):
        find("nothing", runs)
    monkeypatch.chdir(inside)
    for given in (".", "..", "../.."):
        assert find(given, runs).name == name


def test_what_cannot_be_compared_or_resumed_is_said(changed, monkeypatch):
    folder = changed("result.json", lambda values: values.update(status="interrupted"))
    for module, words, message in [
        (reproduce, [folder], "was interrupted: there is nothing to compare with"),
        (reproduce, ["nothing"], "there is no run nothing"),
        (resume, ["nothing"], "there is no run nothing"),
    ]:
        monkeypatch.setattr("sys.argv", ["command", *map(str, words)])
        with pytest.raises(UserError, match=message):
            module.main()


def test_a_finished_run_is_not_resumed(original, monkeypatch):
    monkeypatch.setattr("sys.argv", ["resume", str(original)])
    with pytest.raises(UserError, match=r"has ended \(finished\): there is nothing left to do"):
        resume.main()


def test_resume_goes_on_in_the_folder_that_it_was_given(changed, original, tmp_path, monkeypatch, capsys):
    """Two interrupted runs of one configuration: the one that is named goes on, not the first that is found."""
    first = changed("result.json", lambda values: values.update(status="interrupted"))
    second = tmp_path / f"{original.name}-2"
    shutil.copytree(first, second)
    manifest = files.read_json(second / "manifest.json")
    files.write_json(second / "manifest.json", {**manifest, "run": second.name})
    files.write_json(second / "result.json", {**files.read_json(second / "result.json"), "run": second.name})
    code, said = run_here(resume, monkeypatch, capsys, second)
    assert code == 0
    assert f"{second.name}: finished" in said
    assert Result.read(second).weights_sha256 == Result.read(original).weights_sha256
    assert Result.read(first).status == "interrupted"
