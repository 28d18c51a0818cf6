import fcntl
import json
import shutil
import threading

import pytest

from experiments.digits import Config
from rnnkit.core import files
from rnnkit.core.errors import UserError
from rnnkit.runs import folders
from rnnkit.runs.rows import read_rows
from sweeps.reading.rows import last_row, read_columns, thinned
from sweeps.reading.run_index import NotThere, RunIndex
from tests.sweeps import made


@pytest.fixture
def index(kinds):
    return RunIndex(kinds[0])


def test_every_run_is_shown_as_what_it_is(kinds, index):
    states = {kind: index.run(folder.name).state for kind, folder in kinds[1].items()}
    assert states == {
        "finished": "finished",
        "pruned": "pruned",
        "diverged": "diverged",
        "interrupted": "interrupted",
        "failed": "failed",
        "flagged": "finished",
        "stopped": "stopped",
        "torn": "stopped",
        "no result": "broken",
        "odd result": "broken",
        "no manifest": "broken",
        "bare manifest": "finished",
        "hostile": "finished",
        "live": "running",
    }
    broken = index.run(kinds[1]["no result"].name)
    assert "result.json is damaged" in broken.trouble


def test_a_card_says_what_the_record_says(kinds, index):
    folder = kinds[1]["flagged"]
    card = index.run(folder.name)
    manifest, result = files.read_json(folder / "manifest.json"), files.read_json(folder / "result.json")
    assert (card.experiment, card.seed, card.config) == ("digits", 5, manifest["config"])
    assert (card.metric, card.value) == ("metric/accuracy/valid", result["metrics"]["metric/accuracy/valid"])
    assert (card.test, card.step, card.seconds) == (result["metrics"]["metric/accuracy/test"], 60, result["seconds"])
    assert card.started.isoformat() == manifest["started"]
    assert card.flag_names == ["too hot"]


def test_a_run_without_a_result_shows_its_last_evaluation(kinds, index):
    card = index.run(kinds[1]["stopped"].name)
    rows = read_rows(kinds[1]["stopped"])
    assert (card.step, card.value) == (60, rows[-1]["metric/accuracy/valid"])


def test_runs_come_latest_first(index):
    starts = [card.started for card in index.runs() if card.started]
    assert starts == sorted(starts, reverse=True)
    assert len(starts) > 10


def test_columns_hold_every_number_of_the_rows(kinds, index):
    folder = kinds[1]["finished"]
    columns, rows = index.columns(folder.name), read_rows(folder)
    assert (columns.rows, columns.damaged) == (len(rows), 0)
    rebuilt = {}
    for name, (steps, values) in columns.series.items():
        for step, value in zip(steps, values, strict=True):
            rebuilt.setdefault(step, {"step": step})[name] = value
    assert [rebuilt[row["step"]] for row in rows] == rows


def test_damaged_rows_are_counted_and_left_out(kinds, index):
    columns = index.columns(kinds[1]["torn"].name)
    assert columns.damaged == 3  # one step again, and two lines that are no rows
    assert columns.last_step == 61
    steps, values = columns.series["loss/train"]
    assert steps[-2:] == [60, 61]
    assert values[-1] != values[-1]


def test_a_file_that_grows_is_read_on_and_one_that_was_cut_is_read_anew(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"step": i, "a": i / 7}) + "\n" for i in range(1, 8)]
    path.write_text("".join(lines[:3]) + lines[3][:5])
    columns = read_columns(path)
    assert columns.series["a"][0] == [1, 2, 3]
    path.write_text("".join(lines[:5]))
    assert read_columns(path, columns).series["a"][0] == [1, 2, 3, 4, 5]
    path.write_text("".join(lines[:2]))
    columns = read_columns(path, columns)
    assert columns.series["a"][0] == [1, 2]
    # cut, and grown beyond what was known with other bytes, as a run does that goes on
    path.write_text(lines[0] + json.dumps({"step": 2, "a": 0.123456789012345, "b": 1.0}) + "\n" + "".join(lines[2:]))
    columns = read_columns(path, columns)
    assert columns.series["a"][0] == [1, 2, 3, 4, 5, 6, 7]
    assert columns.damaged == 0


def test_the_last_row_with_a_metric_is_found_from_the_end(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert last_row(None, "m") == ({}, 0)
    path.write_text("")
    assert last_row(path, "m") == ({}, 0)
    rows = [{"step": i, "a": 1.0} | ({"m": i / 10} if i % 4 == 0 else {}) for i in range(1, 11)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 11, "m"')
    assert last_row(path, "m") == ({"step": 8, "a": 1.0, "m": 0.8}, 10)
    assert last_row(path, "other") == ({}, 10)


def test_thinning_keeps_ends_extremes_and_gaps():
    steps, values = list(range(10_000)), [0.0] * 10_000
    values[3_333], values[7_001], values[5_000] = 9.0, -9.0, float("nan")
    thin_steps, thin_values = thinned(steps, values, 500)
    assert len(thin_steps) <= 500
    assert thin_steps == sorted(set(thin_steps))
    assert thin_steps[-1] == 9_999
    assert {3_333, 7_001, 5_000} <= set(thin_steps)
    assert [values[i] for i in thin_steps if i != 5_000] == [v for v in thin_values if v == v]
    assert thinned([1, 2], [1.0, 2.0]) == ([1, 2], [1.0, 2.0])


def test_nothing_outside_is_read(kinds, index):
    names = {card.name for card in index.runs()}
    assert "linked" not in names
    card = index.run("digits-s9-links")
    assert card.state == "broken"
    assert "secret" not in repr(card).replace("digits-s9-links", "")
    assert index.columns("digits-s9-links").series == {}
    assert set(index.media(kinds[1]["flagged"].name)) == {
        "curves-000000010.json",
        "curves-000000020.json",
        "curves-000000030.json",
        "dynamics.json",
        "samples.jsonl",
        "timescales.png",
    }


@pytest.mark.parametrize("name", ["../outside", "..", ".", "", "studies", "/etc", "linked", "digits-s0-killed/media"])
def test_a_name_that_is_no_run_is_refused(index, name):
    for ask in (index.run, index.columns, index.manifest, index.media, index.study):
        with pytest.raises(NotThere):
            ask(name) if ask != index.manifest else ask(name) or index.run(name)


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(
        UserError, match="there are no runs in .*: make sweep makes some, or name another folder with --runs-dir"
    ):
        RunIndex(tmp_path / "nowhere")


def test_what_changes_is_seen(tmp_path):
    folder = made.run(tmp_path, steps=10)
    index = RunIndex(tmp_path)
    assert index.run(folder.name).state == "finished"
    (folder / "result.json").unlink()
    assert index.run(folder.name).state == "stopped"
    shutil.rmtree(folder)
    assert index.runs() == []


def test_looking_never_sends_a_run_into_another_folder(tmp_path):
    """A run that starts while somebody asks whether it is live takes its folder, and not one for a repeat."""
    folder = made.run(tmp_path, "interrupted", steps=2)
    asked = (folder / "lock").open()
    fcntl.flock(asked, fcntl.LOCK_SH)
    threading.Timer(0.03, asked.close).start()
    claimed = folders.claim(Config(runs_dir=tmp_path, track="off"), folders.RunContext())
    claimed.release()
    assert (claimed.folder, claimed.made) == (folder, False)


def test_a_live_run_is_seen_by_many_at_once(tmp_path):
    folder = made.run(tmp_path, steps=2)
    assert not folders.is_live(folder)
    with (folder / "lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_SH)  # somebody else who asks
        assert not folders.is_live(folder)
    with (folder / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert folders.is_live(folder)
        assert folders.is_live(folder)
