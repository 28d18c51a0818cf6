"""The summary of a study, from trials told in this process."""

import pytest

from rnnkit import records, tracking
from sweeps import study as studies
from sweeps import summary
from tests.helpers import new_study


@pytest.fixture
def told(tmp_path):
    """A study of two finished trials, the second the better, and the folders of their runs."""
    folder, study = new_study(tmp_path / "my runs")
    studies.plan(folder, study, 2)
    runs = []
    for value in (0.25, 0.5):
        trial, point = studies.claim(folder, study)
        with tracking.start(folder.config(point, folder.space.suggest(trial)), data={}) as run:
            run.finish(metrics={"metric/accuracy/test": 0.75})
        trial.set_user_attr("run", run.name)
        study.tell(trial, value)
        runs.append(run.folder)
    return folder, study, runs


def test_the_best_stands_with_its_test_score(told):
    folder, study, _ = told
    printed = summary.write(folder, study)
    assert "best: trial 1, validation accuracy 0.5000" in printed
    assert "test accuracy 0.7500" in printed


def test_a_damaged_result_costs_its_own_lines_and_no_more(told):
    folder, study, runs = told
    (runs[1] / "result.json").write_text("{")
    printed = summary.write(folder, study)
    assert "best: trial 1, validation accuracy 0.5000" in printed
    assert "test accuracy" not in printed
    line = next(line for line in printed.splitlines() if "result.json" in line)
    assert line.startswith("trial 1 is shown without its run: ")
    assert line in (folder.path / "summary.md").read_text()
    assert "trial 0 is shown without" not in printed


def test_a_damaged_mirror_state_costs_nothing(told):
    folder, study, runs = told
    (runs[1] / "wandb").mkdir()
    (runs[1] / "wandb" / "mirror.json").write_text("[]")
    assert "best: trial 1" in summary.write(folder, study)


def test_printed_commands_can_be_pasted(told, monkeypatch):
    folder, study, runs = told
    (runs[1] / "wandb").mkdir()
    records.write_json(runs[1] / "wandb" / "mirror.json", {"state": "complete", "mode": "offline", "folder": "wandb/x"})
    monkeypatch.chdir(folder.base.runs_dir.parent)
    printed = summary.write(folder, study)
    assert f"leet 'my runs/{runs[1].name}/wandb/x'" in printed
    assert "make sync ARGS=\"--runs-dir 'my runs'\"" in printed
    assert "less 'my runs/studies/small/summary.md'" in printed
