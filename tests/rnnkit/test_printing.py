import pytest

from experiments.digits import Config
from rnnkit import printing, records, tracking


@pytest.fixture
def ended(tmp_path, monkeypatch):
    """The result of a run that was to be mirrored, and that no mirror has seen."""
    monkeypatch.setattr(tracking, "_mirror", lambda *_: None)
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
        ({"state": "complete", "mode": "disabled"}, "not to be tracked, says WANDB_MODE=disabled"),
        ({"state": "complete", "mode": "online", "url": "https://w/r"}, "https://w/r"),
        ({"state": "complete", "mode": "offline", "folder": "wandb/x"}, "recorded offline; `make sync"),
    ],
)
def test_one_line_says_what_wandb_has_of_a_run(ended, state, line, capsys, monkeypatch):
    monkeypatch.setattr(tracking.wait_for_mirror, "__defaults__", (0.0, 0.0))
    if state:
        (ended.folder / "wandb").mkdir()
        records.write_json(ended.folder / "wandb" / "mirror.json", state)
    printing.print_result(ended)
    printed = capsys.readouterr().out
    assert printed.count("W&B:") == 1
    assert f"\n  W&B: {line}" in printed
    assert "accuracy (test): 0.7500" in printed


def test_a_run_that_is_not_tracked_says_nothing_of_wandb(tmp_path, capsys):
    with tracking.start(Config(runs_dir=tmp_path, track="off"), data={}) as run:
        run.finish()
    printing.print_result(run.result)
    assert "W&B" not in capsys.readouterr().out
