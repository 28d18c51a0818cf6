import os
import shlex
import subprocess

import pytest

from experiments.digits import Config
from rnnkit.core import files
from rnnkit.runs import Comparison, Reference, ReferenceKind, mirror_client, printing, tracking


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """The result of a run that was to be mirrored, and that no mirror has seen."""
    monkeypatch.setattr(mirror_client.Mirror, "begin", lambda *_: None)
    with tracking.start(Config(runs_dir=tmp_path / "my runs"), data={}) as run:
        run.log(1, {"a": 1.0})
        run.finish(metrics={"metric/accuracy/test": 0.75})
    return run.result


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (None, "the mirror is still at work; `make sync"),
        ({"state": "following", "mode": "offline", "folder": "wandb/x"}, "the mirror is still at work; `make sync"),
        ({"state": "failed", "reason": "no disk"}, "not complete (no disk); the record is, and `make sync"),
        ({"state": "complete", "mode": "disabled"}, "not to be tracked, say WANDB_MODE or W&B's settings"),
        ({"state": "complete", "mode": "online", "url": "https://w/r"}, "https://w/r"),
        ({"state": "complete", "mode": "offline", "folder": "wandb/x"}, "recorded offline; `make sync"),
        (
            {"state": "complete", "mode": "offline", "missing": ["pictures are not drawn: no room"]},
            "recorded offline, without what could not be made (pictures are not drawn: no room); `make sync",
        ),
    ],
)
def test_one_line_says_what_wandb_has_of_a_run(ended, state, line, capsys, monkeypatch):
    monkeypatch.setattr(mirror_client.wait, "__defaults__", (0.0, 0.0))
    if state:
        (ended.folder / "wandb").mkdir()
        files.write_json(ended.folder / "wandb" / "mirror.json", state)
    printing.print_result(ended)
    printed = capsys.readouterr().out
    assert printed.count("W&B:") == 1
    assert f"\n  W&B: {line}" in printed
    assert "accuracy (test): 0.7500" in printed


def test_a_working_folder_that_is_gone_costs_no_score(tmp_path, capsys, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    with tracking.start(Config(runs_dir=tmp_path / "runs", track="off"), data={}) as run:
        run.finish(metrics={"metric/accuracy/test": 0.75})
    monkeypatch.chdir(here)
    here.rmdir()
    printing.print_result(run.result)
    printed = capsys.readouterr().out
    assert "accuracy (test): 0.7500" in printed
    assert f"  record: {run.folder}\n" in printed
    assert f"`make show RUN={run.folder}`" in printed


def test_a_run_that_is_not_tracked_says_nothing_of_wandb(tmp_path, capsys):
    with tracking.start(Config(runs_dir=tmp_path, track="off"), data={}) as run:
        run.finish()
    printing.print_result(run.result)
    assert "W&B" not in capsys.readouterr().out


def test_a_baseline_is_said_once_and_who_is_worse_is_said():
    references = [Reference("counts", "accuracy", 0.5), Reference("a book", "accuracy", 0.75, ReferenceKind.PUBLISHED)]
    lost = Comparison(baseline="counts", examples=9, ours=0.25, theirs=0.5, difference=-0.25, low=-0.5, high=-0.1)
    beside = printing.beside(references, lost)
    assert beside[0] == "published: a book: accuracy (test) 0.7500"
    assert beside[1].startswith("counts on the same 9 test examples: 0.5000; ")
    assert beside[1].endswith(": the net is worse, and the cheaper model the better choice")
    assert printing.beside(references, None)[0] == "counts: accuracy (test) 0.5000"
    assert printing.beside(None, None) == []


def test_printed_commands_can_be_pasted(ended, capsys, monkeypatch):
    (ended.folder / "wandb").mkdir()
    files.write_json(
        ended.folder / "wandb" / "mirror.json", {"state": "complete", "mode": "offline", "folder": "wandb/x"}
    )
    monkeypatch.chdir(ended.folder.parents[1])
    printing.print_result(ended)
    *_, record, wandb, curves = capsys.readouterr().out.splitlines()
    assert shlex.split(record) == ["record:", f"my runs/{ended.run}"]
    assert "`make sync ARGS=\"--runs-dir 'my runs'\"`" in wandb
    assert f"`make show RUN='my runs/{ended.run}'`" in curves
    assert "`make dashboard ARGS=\"--runs-dir 'my runs'\"`" in curves


@pytest.mark.parametrize(
    "state",
    [
        '{"state": "complete"}',
        '{"state": "complete", "mode": "online"}',
        '{"state": "complete", "mode": [], "url": 3}',
        '{"state": "complete", "mode": 1, "missing": [1, {}]}',
        "[",
        None,
    ],
)
def test_what_cannot_be_read_of_a_mirror_costs_a_line_and_no_score(ended, state, capsys, monkeypatch):
    monkeypatch.setattr(mirror_client.wait, "__defaults__", (0.0, 0.0))
    (ended.folder / "wandb").mkdir()
    if state is None:
        (ended.folder / "manifest.json").write_text("[")
    else:
        (ended.folder / "wandb" / "mirror.json").write_text(state)
    printing.print_result(ended)
    said = capsys.readouterr()
    assert "accuracy (test): 0.7500" in said.out
    assert "see its curves" in said.out
    assert len(said.err.splitlines()) == (1 if state is None else 0)
    assert ("W&B: what it has of this run is not known" in said.out + said.err) is (state != "[")


@pytest.mark.parametrize("name", ["runs", "my runs", "it's", 'a "b" c', "$HOME `x`"])
def test_a_command_reaches_its_folder_through_make(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Makefile").write_text("sync:\n\t@printf '%s\\n' $(ARGS)\n")
    command = printing.make_command("sync", tmp_path / name)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "MFLAGS"))}  # of `make test`
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=True)
    printed = done.stdout
    assert printed.splitlines() == ([""] if name == "runs" else ["--runs-dir", name])


@pytest.mark.parametrize(
    ("examples", "said"), [(1, "1 test example:"), (5, "5 test examples:"), (6, "6 test examples:")]
)
def test_a_comparison_on_a_few_examples_tells_nothing_apart(examples, said):
    """Also one of an earlier version, whose interval was as narrow as a point."""
    (line,) = printing.beside(None, Comparison("counts", 1.0, 0.0, 1.0, 1.0, 1.0, examples))
    assert said in line
    assert line.endswith("the net is better" if examples == 6 else "no clear difference: too few examples")
