import os
import shutil
import signal
from pathlib import Path

import pytest

from rnnkit.core import files
from sweeps.reading import RunIndex, studies
from tests.sweeps import made
from tests.torture.faults import records


def test_changed_records_are_borne_by_all_that_reads_them():
    """Some of them; `make torture ARGS=faults.records` takes all, in 3 hours."""
    assert "all in words" in records.torture(every=1801)


FILES = ("manifest.json", "result.json", "metrics.jsonl", "lock", "checkpoint.pt", "wandb/mirror.json")


def waited(*_):
    raise AssertionError("a reader waits for a pipe")


@pytest.mark.parametrize("name", [*FILES, "media/curves-000000017.json", "media/samples.jsonl"])
def test_a_pipe_in_the_place_of_a_file_is_never_waited_for(name, tmp_path):
    root = Path(shutil.copytree(records.FIXTURES, tmp_path / "runs"))
    run = records.OTHER if name.startswith("media/curves") else records.RUN
    (root / run / name).parent.mkdir(exist_ok=True)
    (root / run / name).unlink(missing_ok=True)
    os.mkfifo(root / run / name)
    signal.signal(signal.SIGALRM, waited)
    signal.alarm(60)
    try:
        with records.nothing_begins():
            said = {reader: records.said(action) for reader, action in records.readers(root, run).items()}
    finally:
        signal.alarm(0)
    assert "digits-s2-b6054ca9" in said["list of runs"]


@pytest.mark.parametrize("name", ["manifest.json", "result.json"])
def test_scores_of_another_run_are_nobodys(name, tmp_path):
    """As where somebody copied a file from one folder into another."""
    root = Path(shutil.copytree(records.FIXTURES, tmp_path / "runs"))
    other = "digits-s2-b6054ca9"
    shutil.copy(root / other / name, root / records.RUN / name)
    with records.nothing_begins():
        said = {reader: records.said(action) for reader, action in records.readers(root, records.RUN).items()}
    of_two = "manifest.json and result.json are of two runs, " + " and ".join(
        (other, records.RUN) if name == "manifest.json" else (records.RUN, other)
    )
    assert f"error: {of_two}: put back its own\n" == said["resume"]
    assert all(of_two in said[reader] for reader in ("a run in the terminal", "page of a run"))
    card = RunIndex(root).run(records.RUN)
    assert (card.state, card.value, card.trouble.partition(":")[0]) == ("broken", None, of_two)


def test_what_is_damaged_is_named_and_the_rest_is_shown(tmp_path):
    folder = made.run(tmp_path, seed=1, steps=10)
    files.write_json(folder / "manifest.json", files.read_json(folder / "manifest.json") | {"seed": [], "trial": "x"})
    files.write_json(folder / "result.json", files.read_json(folder / "result.json") | {"parameters": {}})
    card = RunIndex(tmp_path).run(folder.name)
    assert (card.state, card.seed, card.parameters, card.step) == ("finished", None, None, 10)
    assert card.trouble == (
        "manifest.json is damaged: its seed is [], trial is 'x'; result.json is damaged: its parameters is {}"
    )


def test_a_damaged_study_says_what_of_it_is(tmp_path):
    made.study(tmp_path)
    path = tmp_path / "studies" / "small" / "study.json"
    described = files.read_json(path)
    described["space"]["hidden_sizes"] = [8, "x", 16]
    files.write_json(path, described)
    found = studies.read(RunIndex(tmp_path), "small")
    assert found.trouble == "study.json is damaged: its space.hidden_sizes[1] is 'x'"
    assert {cell.hidden_size for cell in found.plane()} == {8, 16}
