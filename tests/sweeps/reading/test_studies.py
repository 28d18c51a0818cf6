import dataclasses
from datetime import UTC

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from experiments import digits
from rnnkit.core import files, locks
from rnnkit.runs.manifest import Membership
from sweeps.analysis import importance
from sweeps.reading import answers, describe, studies
from sweeps.reading.run_index import RunIndex
from tests.sweeps import made


@pytest.fixture
def small(kinds):
    return studies.read(RunIndex(kinds[0]), "small")


def journal_of(runs, name="small"):
    storage = JournalStorage(JournalFileBackend(str(runs / "studies" / name / "journal.log")))
    return optuna.load_study(study_name=name, storage=storage)


def test_trials_are_those_of_the_storage(kinds, small):
    stored = journal_of(kinds[0]).trials
    assert [t.state for t in small.trials] == (
        ["finished"] * 5 + ["pruned", "diverged", "failed", "cut off", "stopped", "waiting"]
    )
    for trial, frozen in zip(small.trials, stored, strict=True):
        assert trial.number == frozen.number
        assert trial.reported == frozen.intermediate_values
        if frozen.datetime_start:
            assert trial.start == frozen.datetime_start.replace(tzinfo=UTC)
            assert trial.settings == frozen.params
    assert [t.value for t in small.trials[:5]] == [t.value for t in stored[:5]]
    assert small.trials[5].value == 0.75  # the last that the pruned one reported
    assert small.trials[10].settings == stored[10].system_attrs["fixed_params"]
    assert [t.run.name if t.run else None for t in small.trials][:7] == [t.user_attrs["run"] for t in stored[:7]]
    assert small.best.number == journal_of(kinds[0]).best_trial.number == 4


def test_the_plane_holds_the_finished_trials_with_its_settings(small):
    space = digits.SPACE
    values = {(c.hidden_size, c.depth): c.values for c in small.plane()}
    assert list(values) == [(p["hidden_size"], p["depth"]) for p in space.plane()]
    assert [v for v in values.values() if v] == [[t.value] for t in small.trials[:5]]


def test_importances_are_the_summarys_while_a_study_is_running_too(tmp_path):
    """fANOVA, from as many finished trials on; what the summary tells comes first."""
    study = made.new_study(tmp_path)
    for number in range(8):
        trial = study.ask()
        size, rate = trial.suggest_int("hidden_size", 8, 64), trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
        early = studies.read(RunIndex(tmp_path), "small").importances
        study.tell(trial, size + number / 10 + rate)
    assert early == {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    expected = optuna.importance.get_param_importances(journal_of(tmp_path), evaluator=evaluator)
    found = studies.read(RunIndex(tmp_path), "small").summary
    assert found.importances == expected == importance(study.trials).shares
    told = files.encode(dataclasses.replace(found, importances={"depth": 1.0}).as_dict())
    files.write_json(tmp_path / "studies" / "small" / "summary.json", told)
    assert studies.read(RunIndex(tmp_path), "small").importances == {"depth": 1.0}
    for trial in study.ask(), study.ask():
        trial.suggest_int("hidden_size", 8, 64), trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
        study.tell(trial, 1.0)
    later = studies.read(RunIndex(tmp_path), "small")
    assert set(later.importances) == {"hidden_size", "learning_rate"}
    assert later.summary.trials.ended == 10


def test_lower_is_better_where_the_space_says_so(tmp_path):
    made.study(tmp_path)
    path = tmp_path / "studies" / "small" / "study.json"
    described = files.read_json(path)
    described["space"] |= {"lower_is_better": True, "metric": "metric/perplexity/valid"}
    files.write_json(path, described)
    found = studies.read(RunIndex(tmp_path), "small")
    assert (found.best.number, found.metric) == (0, "validation perplexity")


def test_reading_leaves_the_folder_as_it_was(tmp_path):
    made.study(tmp_path)
    folder = tmp_path / "studies" / "small"
    before = {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()}
    with (folder / "journal.log.lock").open("x"):  # as while somebody writes: nobody waits for it
        studies.read(RunIndex(tmp_path), "small")
    (folder / "journal.log.lock").unlink()
    assert {path.name: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.iterdir()} == before


def test_a_study_that_goes_on_is_read_on(tmp_path):
    study = made.new_study(tmp_path)
    index = RunIndex(tmp_path)
    assert studies.read(index, "small").trials == ()
    study.enqueue_trial({"depth": 1}, user_attrs={"point": 0})
    assert [t.state for t in studies.read(index, "small").trials] == ["waiting"]


def test_a_journal_that_cannot_be_read_leaves_the_trials_of_its_runs(tmp_path):
    made.study(tmp_path)
    whole = studies.read(RunIndex(tmp_path), "small")
    journal = tmp_path / "studies" / "small" / "journal.log"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(['{"op_code": 99}', *lines[1:]]))
    found = studies.read(RunIndex(tmp_path), "small")
    assert "journal.log cannot be read" in found.trouble
    assert [(t.number, t.state) for t in found.trials] == [(t.number, t.state) for t in whole.trials[:7]]
    for ours, theirs in zip(found.trials, whole.trials[:7], strict=True):
        assert theirs.settings.items() <= ours.settings.items()


def test_a_trial_in_the_hands_of_a_living_worker_is_running(tmp_path):
    """Also while its run has no folder yet. A worker's name leads to no file elsewhere."""
    found = made.new_study(tmp_path)
    found.enqueue_trial({"depth": 1})
    trial = found.ask()
    trial.set_user_attr("worker", "host-1")
    state = lambda: studies.read(RunIndex(tmp_path), "small").trials[0].state
    assert state() == "stopped"
    workers = tmp_path / "studies" / "small" / "workers"
    workers.mkdir()
    with locks.exclusive(workers / "host-1"), locks.exclusive(tmp_path / "elsewhere"):
        assert state() == "running"
        trial.set_user_attr("worker", "../../../elsewhere")
        assert state() == "stopped"


def test_a_torn_last_line_hides_nothing_else(tmp_path):
    made.study(tmp_path)
    whole = studies.read(RunIndex(tmp_path), "small")
    with (tmp_path / "studies" / "small" / "journal.log").open("a") as journal:
        journal.write('{"op_code": 6, "wor')
    found = studies.read(RunIndex(tmp_path), "small")
    assert len(found.trials) == len(whole.trials)
    assert found.trouble is None


@pytest.mark.parametrize("name", ["torn", "empty", made.HOSTILE])
def test_an_odd_study_is_shown_as_such(kinds, name):
    found = studies.read(RunIndex(kinds[0]), name)
    assert found.best is None
    assert found.plane() == []
    if name == "torn":
        assert found.trouble


def test_what_is_said_of_a_study(kinds, small):
    line = describe.study_line(RunIndex(kinds[0]), "small", RunIndex(kinds[0]).runs())
    assert line.counts == {"finished": 5, "pruned": 1, "diverged": 1}
    assert line.experiment == "digits"
    said = answers.answer(small)
    assert said[0].startswith("Best: trial 4, validation accuracy 0.7000 in its one run (hidden size 16, depth 2, cell")
    assert said[1:] == [f"Test accuracy {small.best.run.test:.4f} in the same run.", f"Run: {small.best.run.name}."]
    assert answers.how_many(small) == "5 finished, 1 pruned, 1 diverged, 1 failed, 1 cut off, 1 stopped, 1 waiting"
    assert list(answers.findings(small)) == ["What the data do not support", "What the value varied with"]
    assert small.summary.confirmations == []


def test_what_was_found_on_fresh_seeds_is_the_answer(tmp_path):
    """And its runs are no trials: they count for none, and are not taken for the runs of one."""
    made.study(tmp_path)
    made.summary(tmp_path)
    fresh = made.run(tmp_path, seed=500, steps=10, member=Membership("small"))
    manifest = files.read_json(fresh / "manifest.json")
    files.write_json(fresh / "manifest.json", manifest | {"confirms": 3})
    index = RunIndex(tmp_path)
    small = studies.read(index, "small")
    assert answers.answer(small)[:2] == [
        "Best: trial 3's settings, validation accuracy 0.6800 as the mean of 3 runs on fresh seeds, 95 % interval "
        "0.6600 to 0.7000 over seeds; found with 0.6500 (hidden size 16, depth 1, cell gru, bidirectional true, "
        "learning rate 0.01, clip 1).",
        "Test accuracy 0.6700 as the mean of the same 3 runs.",
    ]
    assert list(answers.findings(small)) == [
        "What the data support",
        "What the data do not support",
        "With the same seed",
        "What the value varied with",
    ]
    assert small.best.number == 3
    assert [card.name for card in answers.confirmation_runs(index, "small")] == [fresh.name]
    assert index.run(fresh.name).confirms == 3
    assert sum(describe.study_line(index, "small", index.runs()).counts.values()) == 7
    assert fresh.name not in [trial.run.name for trial in small.trials if trial.run]


@pytest.mark.parametrize("odd", [3, {"trial": "x"}, [1, {"trial": 1}], None, "confirmed"])
def test_a_summary_of_another_form_breaks_nothing(tmp_path, odd):
    made.study(tmp_path)
    told = dict.fromkeys(["best", "confirmed", "importances", "supported", "borders", "timing"], odd)
    files.write_json(tmp_path / "studies" / "small" / "summary.json", told)
    small = studies.read(RunIndex(tmp_path), "small")
    assert answers.answer(small)[0].startswith("Best: trial 4")
    assert small.summary.confirmations == []
    assert answers.findings(small).keys() <= {
        "What the data do not support",
        "On the border of what was searched",
        "With the same seed",
    }
